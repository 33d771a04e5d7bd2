"""Fit y = x² with a small network and a loop of one's own; written for TensorFlow, only the import changed.

Start a server (`make run`), then: python examples/keras_regression.py
"""

import numpy as np

import gradwire as tf

tf.random.set_seed(0)
x = np.linspace(-1.0, 1.0, 64).reshape(-1, 1).astype("float32")
y = x**2

model = tf.keras.Sequential(
    [
        tf.keras.layers.Dense(16, activation="tanh", input_shape=(1,)),
        tf.keras.layers.Dense(1),
    ]
)
loss_function = tf.keras.losses.MeanSquaredError()
optimizer = tf.keras.optimizers.Adam(learning_rate=0.02)

for epoch in range(300):
    with tf.GradientTape() as tape:
        predictions = model(x)
        loss = loss_function(y, predictions)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    if epoch % 50 == 0:
        print(f"epoch {epoch}: loss = {loss.numpy():.6f}")

print(f"final loss = {loss.numpy():.6f}")
print(f"f(0.5) = {model(np.array([[0.5]])).numpy()[0, 0]:.3f}")
