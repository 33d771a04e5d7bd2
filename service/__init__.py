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

import os
import sys

if os.path.basename(sys.argv[0]) in ("-m", "gradwire-server"):
    # This is the server's own process, at its first import of ours: modules of the folder that it is started
    # in are not meant. In somebody else's program the search path stays as it is.
    from service.interpreter import search_path

    sys.path[:] = search_path()
