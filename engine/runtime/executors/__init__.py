"""Executors run plans.

`bound`      a plan bound to one array library: what all executors share
`numpy`      runs plans on the CPU
`cupy`       runs plans on a CUDA device
`resident`   runs one plan over and over on arrays that stay in place, as a training step does
`blocks`     elementwise work over long vectors, block by block
`placement`  where arrays live, by the name of a device
`failures`   what went wrong while a plan ran, reported at the user's node
"""
