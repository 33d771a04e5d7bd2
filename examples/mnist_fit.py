"""The perceptron of mnist_tape.py as one training job: `fit` sends the data once, the server does the rest.

The job survives the server being killed; the parameters come back into the model. With GRADWIRE_MNIST_DIR it
trains on the full set, else on the shipped sample.
"""

import gradwire as gw
from mnist import load, one_hot

digits = load()

model = gw.Sequential(
    [
        gw.layers.Dense(64, activation="relu", input_shape=(784,)),
        gw.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer=gw.optimizers.Adam(1e-3), loss="categorical_crossentropy", metrics=["accuracy"])
history = model.fit(digits.x_train, one_hot(digits.y_train), epochs=5, batch_size=32, verbose=0)
print("losses:", [round(loss, 4) for loss in history.history["loss"]])

loss, accuracy = model.evaluate(digits.x_test, one_hot(digits.y_test), verbose=0)
print(f"test accuracy = {accuracy:.4f}")
