"""Hand-overs of jobs to workers, behind a port.

`port`    the queue as the rest of the service sees it
`memory`  its twin in memory, for tests and for a worker in the submitting process
`dbos`    the durable queue, in the same database as the jobs
"""
