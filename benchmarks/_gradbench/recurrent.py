"""lstm: the loss of a network of LSTM cells with diagonal weights, which predicts a character's bits."""

from __future__ import annotations

from typing import Any

from benchmarks._gradbench.functions import Arrays, Json, Prepared, compiled, floats, value_of

#: One step for one layer: weights and bias have a row each, as hidden state and cell have.
LAYER = """
    gates{i} = concat([x{i}, s[{a}], x{i}, s[{a}]]) * main[{a}] + main[{b}]
    f{i}, g{i}, o{i}, c{i} = split(gates{i}, 4)
    cell{i} = s[{b}] * sigmoid(f{i}) + sigmoid(g{i}) * tanh(c{i})
    x{next} = sigmoid(o{i}) * tanh(cell{i})
"""
NETWORK = """
def step(s, given, wanted, main, extra):
    x0 = given * extra[0]
{layers}
    made = x{last} * extra[1] + extra[2]
    part = sum(wanted * (made - log(sum(exp(made)) + 2)))
    return stack([{states}]), part
end, parts = scan(step, state, sequence[:-1], sequence[1:], main, extra, carry=1, scanned=2)
loss = -sum(parts) / {count}
"""


def prepare(given: Json) -> tuple[str, Arrays]:
    """The program for as many layers as there are, and its inputs."""
    values: Arrays = {
        "main": floats(given["main_params"]),
        "extra": floats(given["extra_params"]),
        "state": floats(given["state"]),
        "sequence": floats(given["sequence"]),
    }
    layers = len(values["state"]) // 2
    text = "".join(LAYER.format(i=i, a=2 * i, b=2 * i + 1, next=i + 1) for i in range(layers))
    states = ", ".join(f"x{i + 1}, cell{i}" for i in range(layers))
    steps, bits = values["sequence"].shape
    count = (steps - 1) * bits
    return NETWORK.format(layers=text, last=layers, states=states, count=count), values


def objective(given: Json) -> Prepared:
    """The mean loss over the sequence."""
    return value_of(*prepare(given))


def jacobian(given: Json) -> Prepared:
    """Its gradient by both kinds of parameters, one after the other."""
    program, values = prepare(given)
    call = compiled("gradient", program, values, targets=("loss",), wrt=("main", "extra"))

    def write(found: Any) -> Any:
        return [x for name in ("main", "extra") for x in found["gradients"][name].ravel().tolist()]

    return Prepared(call, write)


FUNCTIONS = {"objective": objective, "jacobian": jacobian}
