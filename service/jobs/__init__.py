"""Training jobs: durable, fenced, and run in processes of their own.

A job passes, in order:

    submission.py   a request's document and data, checked and laid down
    states.py       the statuses and the table of legal transitions
    ledger.py       every change of a job: one guarded UPDATE each, fenced by the attempt's number
    records.py      jobs read back: one, a page, their history, their checkpoints
    port.py         what hands a job to a worker: memory_queue.py, dbos_queue.py
    worker.py       takes hand-overs, watches leases, and runs attempts
    attempt.py      one attempt: a child process, its reports published, its end told apart
    child.py        the child: trains, writes checkpoints, reports
    checkpoints.py  their folders: tmp, fsync, rename, fsync
    stream.py       events to callers: one poller a job, fanned out
    calculator.py   what the server itself computes: submissions, parameters, predictions, in its tiers

The tables are the truth. The queue only says "look at this job": a hand-over that comes twice, late or
to two workers at once is told apart by its number, and loses.
"""
