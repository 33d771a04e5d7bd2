"""Queries: bytes in, bytes out.

`query_request`  one request as a runner gets it
`kinds/`         the kinds of query, one record each
`bound_query`    what requests that differ in their tensors have in common
`builder`        the fields of a request become the engine's query
`answer_size`    what it takes to write an answer
`runner`         the one function that every tier runs
`tiers`          where a query runs: on the event loop, in a thread, in a child process, on a GPU
`turns`          fair turns of callers who wait for a place
`allowance`      how much of the event loop's time callers have used lately
`pool`           child processes with fair turns and a limit of time
`shared_pool`    the one process of a GPU, for several processes that answer requests
`worker`         the side of the child process
"""
