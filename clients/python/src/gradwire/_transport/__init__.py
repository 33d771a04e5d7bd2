"""How requests travel.

`flow`             conversations with a server as generators, without I/O: retries, waiting, idempotency keys
`stream`           following a job: the conversation reads events as they come and resumes after a break
`sse`              server-sent events out of bytes
`codec`            arrays to request bodies, and responses back to arrays
`httpx_transport`  requests and responses in httpx's terms
`libraries`        httpx, or httpx2 if it is installed: the HTTP library that carries the requests
`channel`          a request straight to the library's transport, if nothing asks for its client
`connection`       one HTTP client in each process, made anew in forked children
`driver`           who drives a flow: this thread, or its event loop
"""
