"""Train on a CSV file: uploaded once, its columns are the data of a job that predicts a house's price."""

import tempfile
from pathlib import Path

import numpy as np

import gradwire as gw

random = np.random.default_rng(0)
rooms, age = random.uniform(1, 6, 400), random.uniform(0, 50, 400)
price = 50 + 30 * rooms - 0.8 * age + random.normal(0, 2, 400)
table = Path(tempfile.mkdtemp()) / "houses.csv"
np.savetxt(table, np.c_[rooms, age, price], delimiter=",", header="rooms,age,price", comments="")

with gw.Client() as client:
    houses = client.datasets.upload(table)
    print(f"{houses.rows} rows of {', '.join(houses.fields)}")
    job = client.jobs.submit(
        "scaled = (x - [3.5, 25.0]) / [1.5, 15.0]\npred = scaled @ w + b\nloss = mean((pred - y) ** 2)",
        target="loss",
        parameters={"w": {"shape": [2], "initializer": "zeros"}, "b": {"value": 0.0}},
        data={"x": houses[["rooms", "age"]], "y": houses["price"]},
        optimizer=gw.optimizers.Adam(1.0),
        batch_size=50,
        epochs=60,
    )
    job.wait()
    learned = job.parameters()
    slopes = learned["w"] / [1.5, 15.0]
    print(f"loss = {job.metrics()[-1]['loss']:.3f}")
    print(f"price per room = {slopes[0]:.2f}, per year = {slopes[1]:.2f}")
    first = job.predict({"x": [[3.0, 10.0]]}, outputs=["pred"])["pred"][0]
    print(f"three rooms, ten years: {first:.1f}")
