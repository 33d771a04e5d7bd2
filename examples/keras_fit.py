"""The network of keras_regression.py, trained by `fit`: one job on the server instead of a request a step."""

import numpy as np

import gradwire as tf

x = np.linspace(-1.0, 1.0, 64).reshape(-1, 1).astype("float32")
y = x**2

model = tf.keras.Sequential(
    [
        tf.keras.layers.Dense(16, activation="tanh", input_shape=(1,)),
        tf.keras.layers.Dense(1),
    ]
)
model.compile(optimizer=tf.keras.optimizers.Adam(learning_rate=0.02), loss="mean_squared_error")
history = model.fit(x, y, batch_size=64, epochs=300, verbose=0)

print(f"first loss = {history.history['loss'][0]:.6f}")
print(f"final loss = {history.history['loss'][-1]:.6f}")
print(f"f(0.5) = {model.predict(np.array([[0.5]]))[0, 0]:.3f}")
