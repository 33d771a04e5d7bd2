"""The HTTP side: it knows requests, disks and processes, and leaves every array to `engine`.

A call passes, in order:

    middleware/    request id, log line, metrics; the key
    routes/        the endpoints, each one record for the router and for OpenAPI
    body.py        the body's bytes, within limits;  strict_json.py  the object in them
    schemas.py     the request's fields, checked by pydantic;  safetensors_io.py  arrays beside the JSON
    tiers.py       where to compute: on the loop, in a thread, or in a killable process
    queries.py     bytes in, answer out: the one pure function that every tier shares
    children/      the processes, their start, their limits and their end
    encoding.py    an answer's arrays as JSON, base64 or safetensors
    problems.py    every error as problem details
    storage/       published graphs, committed before they are acknowledged
"""
