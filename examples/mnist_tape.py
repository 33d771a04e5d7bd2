"""A perceptron with one hidden layer, 784-64-10, trained on MNIST with the tape.

One epoch of batches of 32 and Adam; then the accuracy on the test images. With GRADWIRE_MNIST_DIR it
trains on the 60,000 images of the full set, else on the shipped sample of 2,000.
"""

import numpy as np

import gradwire as gw
from mnist import load, one_hot

BATCH = 32

digits = load()
labels = one_hot(digits.y_train)
random = np.random.default_rng(0)


def glorot(rows, columns):
    """Uniform weights whose spread keeps the variance from layer to layer."""
    bound = np.sqrt(6 / (rows + columns))
    return random.uniform(-bound, bound, (rows, columns)).astype(np.float32)


w1 = gw.Variable(glorot(784, 64), name="w1")
b1 = gw.Variable(np.zeros(64, np.float32), name="b1")
w2 = gw.Variable(glorot(64, 10), name="w2")
b2 = gw.Variable(np.zeros(10, np.float32), name="b2")
variables = [w1, b1, w2, b2]
optimizer = gw.optimizers.Adam(1e-3)


def model(x):
    """Logits of shape (n, 10) for rows of pixels."""
    return gw.relu(x @ w1 + b1) @ w2 + b2


order = random.permutation(len(digits.x_train))
for step, start in enumerate(range(0, len(order), BATCH)):
    rows = order[start : start + BATCH]
    with gw.GradientTape() as tape:
        log_probabilities = gw.log_softmax(model(digits.x_train[rows]))
        loss = -gw.sum(labels[rows] * log_probabilities) / len(rows)
    gradients = tape.gradient(loss, variables)
    optimizer.apply_gradients(zip(gradients, variables))
    if step % 250 == 0:
        print(f"step {step}: loss = {float(loss):.4f}")

predicted = gw.argmax(model(digits.x_test)).numpy()
print(f"test accuracy = {np.mean(predicted == digits.y_test):.4f}")
