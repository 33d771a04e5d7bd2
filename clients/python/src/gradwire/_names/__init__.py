"""What names mean: this package's own things, names that are not here, and what other libraries call them.

`own`             whether a thing is this package's own, by identity and never by name
`missing`         what to write instead of a name that is not here: the one place that says it
`counterparts`    the tables of what PyTorch, TensorFlow, Keras and JAX call things
`instead`         the table of functions that have no op (generated from the server's)
`absent_modules`  modules that are not here, as in `import gradwire.numpy`
`strict`          objects that refuse unknown keywords and attributes
`json_numbers`    NaN and the infinities in JSON
`keywords`        keywords that are declared once, in a TypedDict
`foreign_keywords` keywords of transformations in other libraries
`refusals`        modules, tensors and variables that refuse names of other libraries
`tensorflow`      code that calls this package `tf`
"""
