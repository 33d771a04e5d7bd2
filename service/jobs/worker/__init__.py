"""Who runs jobs.

`supervisor`  the worker processes that `serve` starts and restarts
`process`     a worker as a process: its start, its loop, a graceful end
`heartbeat`   a worker's sign of life: a file that it touches
`worker`      takes hand-overs, runs an attempt for each, and takes over jobs whose worker is gone
`attempt`     one attempt at a job: feeds its child, publishes its reports
`heartbeat`   a worker's sign of life
`child`       the process that trains, which never sees the database
"""
