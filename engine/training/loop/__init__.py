"""The loop that trains: it goes on from any checkpoint with the same bits.

`run`          epochs, batches, validation, early stopping, as events that a consumer takes
`plans`        the plans of a run, one for each size of batch
`memory`       the numbers of a run: parameters, optimiser slots and state as flat vectors
`batch_order`  batches gathered from data by row number
`device_rows`  the same on a GPU
`progress`     where a run stands, in plain numbers
`checkpoint`   everything that a run needs to go on
`events`       what a run reports
`failure`      why a run stopped by itself
`suspicions`   what looks like a mistake in a job that runs all the same
`drift`        where the loss goes from epoch to epoch
`plateau`      parameters that do not learn, and why
`drift`        where the loss goes from epoch to epoch
`suspicions`   what looks like a mistake in a job that runs all the same
"""
