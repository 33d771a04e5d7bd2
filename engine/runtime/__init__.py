"""From a tape to arrays.

`plan`        the order of instructions, the lifetime of every value, the buffers that are reused
`cost`        operations, bytes and peak memory of a plan, known before it runs
`scratch`     how many arrays a formula holds at once beside its result
`devices`     the names of devices, and which of them are present
`executors/`  a plan bound to an array library and run
"""
