"""HTTP: endpoints and what surrounds them.

`endpoint`     what endpoints share: routers, the route of the hot path, descriptions of bodies and errors
`routes/`      every endpoint
`middleware/`  what every request passes before its endpoint
`responses/`   the shapes of responses
`examples/`    worked examples, which the OpenAPI document shows and a test sends
`connection`   uvicorn's connections, with bounds on what one caller can hold open
`peers`        what the processes of one server tell each other: readiness, metrics, deletions
`parameters`   query parameters as FastAPI reads them, and the problem of one that is wrong
`paging`       cursors: where the next page of a listing begins
`respond`      a reply becomes an ASGI response
`job_schema`   the schema of a training job, from the table that decodes it
`openapi`      FastAPI's OpenAPI document, with the schemas of graphs, tensors and jobs
"""
