"""Queries: bytes in, bytes out.

`query_request`  what is asked of a runner
`kinds/`   the kinds of query, one record each
`builder`  a request's fields become the engine's query
`runner`   the one function that every tier runs
`tiers`    where a query runs: on the event loop, in a thread, in a child process, on a GPU
`pool`     child processes with a bounded queue, a wall clock and a kill
`worker`   the child's side
"""
