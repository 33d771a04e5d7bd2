"""How requests travel.

`flow`             conversations with a server as generators, without I/O: retries, waiting, idempotency keys
`stream`           following a job: the conversation reads events as they come and resumes after a break
`sse`              server-sent events out of bytes
`codec`            arrays to request bodies, and responses back to arrays
`httpx_transport`  requests and responses in httpx's terms
`connection`       one HTTP client in each process, made anew in forked children
`driver`           who drives a flow: this thread, or its event loop
"""
