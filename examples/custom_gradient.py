"""A gradient of one's own; written for TensorFlow, only the import line changed.

The first function states the true derivative of x², so the answer is 4.0. The second states a different one
on purpose: the answer, 6.0, shows that the given rule is what runs.
"""

import gradwire as tf


@tf.custom_gradient
def f(x):
    """The square of x, with its own derivative."""
    y = tf.square(x)

    def grad(dy):
        return 2 * x * dy

    return y, grad


@tf.custom_gradient
def steeper(x):
    """The square of x, claiming a slope of 3x."""
    y = tf.square(x)

    def grad(dy):
        return 3 * x * dy

    return y, grad


x = tf.Variable(2.0)

with tf.GradientTape() as tape:
    y = f(x)
print(tape.gradient(y, x).numpy())

with tf.GradientTape() as tape:
    y = steeper(x)
print(tape.gradient(y, x).numpy())
