"""HTTP: endpoints and what surrounds them.

`endpoint`     an endpoint as one record, from which the router and the OpenAPI document are made
`routes/`      every endpoint
`middleware/`  what every request passes before its endpoint
`responses/`   the shapes of responses
`examples/`    worked examples, which the OpenAPI document shows and a test sends
`paging`       pages of a listing
`respond`      a reply becomes an ASGI response
`scope`        this server's keys in the ASGI scope
`job_schema`   the schema of a training job, from the table that decodes it
`openapi`      the OpenAPI 3.1 document
"""
