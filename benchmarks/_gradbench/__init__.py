"""A tool that speaks GradBench's protocol, with the engine in its own process.

`__main__`   the protocol: messages in JSON, a line each, on standard input and output
`functions`  what every eval is made of: inputs are prepared, a call is timed, an output is written
`vectors`    gradients of one number: hello, lse, llsq, kmeans, ode, det
`mixture`    gmm: a mixture of Gaussians with a Wishart prior
`recurrent`  lstm: a network of LSTM cells over a sequence
`bundle`     ba: bundle adjustment, a sparse Jacobian
`hand`       ht: hand tracking, a Jacobian with a dense and a block-diagonal part
`inputs`     messages like those of the evals, for the benchmark
`driver`     a tool as a child process, and the processor time of its calls

GradBench (https://github.com/gradbench/gradbench) describes the protocol and the evals. The functions here
are written from its descriptions, in the language of the engine.
"""
