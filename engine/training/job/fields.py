"""The fields of a job's document: one table, which decoding reads and the published schema is made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.arrays.philox import SEEDS
from engine.ir.attributes import BOOLEAN, Attribute, choice
from engine.training.catalogue.registry import number, whole

#: What JSON a field takes: `record` is a name, or an object with a name and settings.
Form = Literal["text", "graph", "object", "objects", "record", "array", "tensors"]


@dataclass(frozen=True, slots=True)
class JobField:
    """A field that a function of its own reads; absent and null are the same, unless it is `required`."""

    name: str
    form: Form
    doc: str
    required: bool = False


#: Exactly one of these is given.
SOURCES = (
    JobField("model", "object", "`input_shape` and `layers`."),
    JobField("graph", "graph", "A graph document, version 1."),
    JobField("program", "text", "Statements in NumPy syntax; free names are inputs."),
)
OTHERS = (
    JobField("loss", "record", "With a model: what is minimised."),
    JobField("metrics", "array", "Metrics, or scalar nodes of the graph."),
    JobField("parameters", "objects", "What is learned: `value`, or `shape` and `initializer`."),
    JobField("target", "text", "With a graph or program: the loss."),
    JobField("optimizer", "record", "A name, or `name` and settings; default sgd."),
    JobField("early_stopping", "record", "When to stop early."),
    JobField(
        "data",
        "tensors",
        "Tensors, or `{dataset, field}`, by name; the first axis is that of rows.",
        required=True,
    ),
    JobField("validation_data", "tensors", "Data to validate on."),
    JobField("device", "text", "cpu, cuda, cuda:n or auto; default auto."),
)
#: Fields that say for themselves how they are read.
SETTINGS = (
    Attribute("batch_size", whole(1, 2**31 - 1), 32, "Rows a step."),
    Attribute("epochs", whole(1, 2**31 - 1), 1, "Passes over the data."),
    Attribute("shuffle", BOOLEAN, True, "Whether rows are shuffled before each epoch."),
    Attribute("seed", whole(0, SEEDS - 1), 0, "Of first values, the order of rows, and dropout."),
    Attribute(
        "validation_split", number(0.0, 1.0, below=True), 0.0, "Share of the last rows to validate on."
    ),
    Attribute("dtype", choice("float16", "float32", "float64"), "float32", "Floating dtype of the training."),
    Attribute(
        "optimize",
        choice("plan", "compiled", "auto"),
        "auto",
        "compiled: steps run as native code on the CPU.",
    ),
)
FIELDS = (*SOURCES, *OTHERS, *SETTINGS)
