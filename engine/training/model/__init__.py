"""A Keras-style list of layers becomes graphs.

`model`      the list, read: names, settings, the shape of the input
`parameter`  what a parameter starts from: a value, or an initialiser and a shape
`layers/`    one record a layer, which writes itself into a graph
`builder`    the graph that layers write into, with the weights, state and draws that they need
`expand`     the graphs to train, to evaluate and to predict, of one description
"""
