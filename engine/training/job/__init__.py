"""A job's document becomes one checked specification and one tape a step.

`fields`          the document's fields, as a table
`decode`          the document, checked; everything that can be refused is refused here
`source`          the function that a job trains: layers, a graph or a program
`objective`       what is minimised: graphs, their parameters, and the data that they read
`data`            checks that data fit the function, from their types alone
`fit`             checks that rows and labels fit a model and its loss
`spec`            the checked job, without the numbers of the data
`early_stopping`  when training ends early
`step`            loss, metrics, gradients and update as one tape over flat vectors
`predict`         predictions of a trained job
`estimate`        the time and memory of a job, computed before it runs
`unbounded_target` targets without a minimum, known from their formula
`schedule_warnings` schedules whose length does not fit the run
`step_warnings`   weights that decay away, normalised batches of one row
`trained_targets` targets that were given as a parameter
`device`          the device that a job trains on
"""
