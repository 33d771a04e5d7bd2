"""A job's document becomes one checked specification and one tape a step.

`fields`          the document's fields, as a table
`decode`          the document, checked; everything that can be refused is refused here
`source`          the function that a job trains: layers, a graph or a program
`objective`       what is minimised: graphs, their parameters, the data that they read
`data`            whether data fit the function, known from their types alone
`fit`             whether rows and labels fit a model and its loss, with the cure
`spec`            the checked job, without the numbers of the data
`early_stopping`  when training ends early
`step`            loss, metrics, gradients and update as one tape over flat vectors
`predict`         predictions of a trained job
`estimate`        what a job takes, known before it runs
"""
