"""Fit y = W x + b to three points by gradient descent; written for TensorFlow, only the import line changed.

Start a server (`make run`), then: python examples/linear_regression.py
"""

import gradwire as tf

W = tf.Variable([0.5], name="weight")
b = tf.Variable([0.0], name="bias")

x = tf.constant([1.0, 2.0, 3.0])
y = tf.constant([2.0, 4.0, 6.0])

optimizer = tf.keras.optimizers.SGD(learning_rate=0.01)

for epoch in range(1000):
    with tf.GradientTape() as tape:
        y_pred = W * x + b
        loss = tf.reduce_mean(tf.square(y - y_pred))
    gradients = tape.gradient(loss, [W, b])
    optimizer.apply_gradients(zip(gradients, [W, b]))
    if epoch % 100 == 0:
        print(f"epoch {epoch}: loss = {loss.numpy():.6f}")

print(f"W = {W.numpy()[0]:.4f}, b = {b.numpy()[0]:.4f}")
