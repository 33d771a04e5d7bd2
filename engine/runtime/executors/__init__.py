"""Executors run plans.

`executor`       the port, and which executor a device has
`bound`          a plan bound to one array library: what all executors share
`closures`       steps as functions of a context
`loop_code`      Python source for a loop, each step of its body a line
`loops`          runs loops that are written so
`numpy`          runs plans on the CPU
`cupy`           runs plans on a CUDA device
`resident`       runs one plan over and over on arrays that stay in place, as a training step does
`scratch_pool`   memory that the plans of one training run use by turns
`blocks`         elementwise work over long vectors, block by block
`failures`       what went wrong while a plan ran, reported at the user's node
"""
