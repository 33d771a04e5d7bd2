"""The HTTP service: it handles requests, disks and processes, and leaves every computation to `engine`.

From the bottom to the top:

`version`      the version of this package
`interpreter`  how Python processes are started, isolated from the folder they start in
`blas`         the BLAS library that NumPy uses
`settings`     every setting
`wire/`        bytes to checked fields, and results to bytes; errors as problem details
`storage/`     the database: published graphs and the tables of jobs
`telemetry/`   log lines and metrics
`processes/`   child processes: their start, their limits and their end
`datasets/`    uploaded data sets
`queries/`     queries: bytes in, bytes out, in the tier that their cost asks for
`jobs/`        training jobs: durable, and run by worker processes
`services`     the objects that the endpoints of one app share
`api/`         middleware, endpoints, the OpenAPI document
`app`          `create_app(settings)`
`serving/`     sockets, and the one or several processes that serve the app on them
`main`         the command `gradwire-server`

A request passes `api/middleware/` (request id, log line, metrics, key), its endpoint in `api/routes/`,
`wire/` (its body within limits, its JSON, its fields), `queries/` or `jobs/`, and `wire/` again, which writes
the response.
"""

import os
import sys

if os.path.basename(sys.argv[0]) in ("-m", "gradwire-server"):
    # This is the server's own process, at its first import of ours: modules of the folder that it is started
    # in are not meant. In somebody else's program the search path stays as it is.
    from service.interpreter import search_path

    sys.path[:] = search_path()
