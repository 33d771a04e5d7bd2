"""The training loop: it continues from any checkpoint with the same bits.

`run`          epochs, batches, validation, early stopping, as events for a consumer
`plans`        the plans of a run, one for each size of batch
`memory`       the numbers of a run: parameters, optimiser slots and state as flat vectors
`batch_order`  batches gathered from data by row number
`device_rows`  the same on a GPU
`progress`     the position of a run, in plain numbers
`checkpoint`   everything that a run needs to continue
`reports`      what the events say: means, rows, findings that explain others
`events`       what a run reports
`failure`      why a run failed
`finding`      what is found wrong with a job that runs, as data
`data_findings` data of which nothing can be learned
`constant_answer` the loss of a model that returns the same for every sample
`label_findings` labels that the loss of a program does not mean
`leaks`        the target among the features
`validation_findings` rows to validate on that say little
`suspicions`   likely mistakes in a job that runs
`drift`        how the loss changes from epoch to epoch
`plateau`      parameters that do not learn, and why
"""
