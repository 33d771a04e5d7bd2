"""Training jobs: durable, fenced, and run in processes of their own.

A job passes, in order:

`submission`   a request's document and data, checked and stored
`states`       the statuses and the table of legal transitions
`ledger`       every change of a job: one guarded UPDATE each, fenced by the attempt's number
`rewinding`    what a job forgets when it goes on from a checkpoint
`records`      jobs read back: one, a page, their history, their checkpoints
`queue/`       hands a job to a worker
`worker/`      runs attempts, each in a child process
`sources`      the data of a job, mapped into memory
`machine`      the libraries and the processor that a job's bits depend on: recorded and compared
`checkpoints`  folders of checkpoints: tmp, fsync, rename, fsync
`stream`       events to callers: one reader for all followed jobs, shared by all callers
`runner`       what the server itself computes: submissions, parameters, predictions, in its tiers

The tables are the truth. The queue only says "look at this job". A hand-over that comes twice, late, or to
two workers at once is recognised by its attempt's number and refused.
"""
