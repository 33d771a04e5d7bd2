"""Training jobs: durable, fenced, and run in processes of their own.

A job passes, in order:

`submission`   a request's document and data, checked and stored
`states`       the statuses and the table of legal transitions
`ledger`       every change of a job: one guarded UPDATE each, fenced by the attempt's number
`records`      jobs read back: one, a page, their history, their checkpoints
`queue/`       hands a job to a worker
`worker/`      runs attempts, each in a child process
`sources`      the data of a job, mapped into memory
`machine`      what a job's bits depend on beside the job: recorded, and compared when it goes on
`checkpoints`  their folders: tmp, fsync, rename, fsync
`machine`      what a job's bits depend on beside the job
`stream`       events to callers: one poller a job, fanned out
`runner`       what the server itself computes: submissions, parameters, predictions, in its tiers

The tables are the truth. The queue only says "look at this job": a hand-over that comes twice, late or
to two workers at once is told apart by its number, and loses.
"""
