"""What names mean: this package's own things, names that are not here, and what other libraries call them.

`own`           whether a thing is this package's own, by identity and never by name
`strict`        objects that refuse unknown keywords and attributes
`missing`       what to write instead of names that are not here
`instead`       the table behind it (generated from the server's)
`counterparts`  what names of PyTorch, TensorFlow, Keras and JAX are called here
`refusals`      errors for names that other libraries have
`tensorflow`    TensorFlow's spellings of calls, and calls that mean something else there
`spellings`     the table behind it
"""
