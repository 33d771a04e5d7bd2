"""A Keras-style list of layers becomes graphs.

`model`      the list, read: names, settings, the shape of the input
`parameter`  the starting value of a parameter: a value, or an initialiser and a shape
`layers/`    one record a layer, which writes itself into a graph
`builder`    the graph that layers write into, with their weights, state and random numbers
`expand`     the graphs for training, evaluation and prediction, from one description
"""
