"""The processes that run jobs.

`supervisor`  the worker processes that `serve` starts and restarts
`elsewhere`   how the workers are, in a process that does not keep them itself
`process`     a worker as a process: its start, its loop, a graceful end
`heartbeat`   the file that a worker touches as a sign of life
`worker`      takes hand-overs, runs an attempt for each, and takes over the jobs of dead workers
`attempt`     one attempt at a job: starts its child process and publishes its reports
`child`       the process that trains, which never sees the database
"""
