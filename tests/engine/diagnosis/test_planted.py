"""Faults planted at a random place of random programs: the diagnosis names the place, and nothing else."""

from dataclasses import dataclass

import numpy as np
import pytest

from tests.engine.diagnosis.asking import ask

# Smooth and never zero for the values met here, of one operand and of two, by the shapes they keep or make.
KEEPING = (
    "sin({a} + 2)",
    "tanh({a} / 3)",
    "exp({a} / 9)",
    "cumsum({a})",
    "flip({a})",
    "softmax({a})",
    "{a} / 2 + 1",
)
JOINING = ("{a} + {b}", "{a} - {b} / 3", "{a} * {b}", "arctan2({a}, 2 + {b} ** 2)", "hypot({a}, {b})")
MIXING = (
    "{a} @ m",
    "m @ {a} / 2",
    "concat({a}[1:], {a}[:1] * 2)",
    "{a} / norm({a} + 3)",
    "{a}[[2, 0, 1]] * 0.7",
)
INSIDE = (  # with a fault in the function that is called
    "scan(step, {a}, m)[0]",
    "cond(then, other, sum(m) > 0, {a})",
    "checkpoint(then, {a})",
)
FUNCTIONS = """\
def step(h, row):
    h = tanh(h + row) + h
    return h, h
def then(x):
    return sin(x) + x
def other(x):
    return x * 3
"""


@dataclass
class Planted:
    """A program of lines t0, t1, …, one of which reads `planted` in place of its operand."""

    lines: list[str]
    reads: list[set[str]]
    place: int
    operand: str

    def feeding(self, name: str, *, around: bool) -> bool:
        """Whether `name` has a part in the last line; `around` leaves the planted edge out."""
        moved = {name}
        for k, read in enumerate(self.reads):
            own = read - {self.operand} if around and k == self.place and self.operand in read else read
            if moved & own:
                moved.add(f"t{k}")
        return f"t{len(self.reads) - 1}" in moved

    def passing(self, name: str) -> bool:
        """Whether a path from `name` to the last line crosses the planted edge."""
        moved = {name}
        for k, read in enumerate(self.reads[: self.place]):
            if moved & read:
                moved.add(f"t{k}")
        if self.operand not in moved:
            return False
        ahead = {f"t{self.place}"}
        for k, read in enumerate(self.reads):
            if ahead & read:
                ahead.add(f"t{k}")
        return f"t{len(self.reads) - 1}" in ahead


def planted_program(seed: int, fault: str) -> tuple[str, Planted]:
    """A program of random lines and a fault in one of them."""
    draw = np.random.default_rng(seed)
    names = ["x", "y", "z"]
    count = int(draw.integers(4, 10))
    place = int(draw.integers(0, count))
    lines, reads = [], []
    operand = ""
    for k in range(count):
        form = str(draw.choice([*KEEPING, *JOINING, *JOINING, *MIXING, *INSIDE]))
        a, b = (str(name) for name in draw.choice(names[-5:], 2, replace=False))
        read = {a, b} if "{b}" in form else {a}
        if k == place:
            operand = a
            lines.append(f"planted = {fault.format(a)}")
            lines.append(f"t{k} = {form.format(a='planted', b=b)}")
        else:
            lines.append(f"t{k} = {form.format(a=a, b=b)}")
        reads.append(read)
        names.append(f"t{k}")
    lines.append(f"sum(t{count - 1} * [0.7, 1.1, 1.9])")
    return FUNCTIONS + "\n".join(lines), Planted(lines, reads, place, operand)


FAULTS = {
    "stop": ("stop_gradient({})", "stopped", "stop_gradient"),
    "round": ("round({} * 7)", "blocked", "nondifferentiable"),
    "integer": ("astype(astype({} * 7, 'int64'), 'float64')", "blocked", "to_integer"),
    "saturated": ("tanh(40 + {} ** 2)", "zero", "saturated"),
    "relu": ("1 + relu(-9 - {} ** 2)", "zero", "unselected"),
    "factor": ("0 * {} + 1", "zero", "zero_operand"),
    "domain": ("sqrt(-1 - {} ** 2)", "nan", "domain"),
    "steep": ("1 + cbrt({0} - stop_gradient({0}))", "inf", "infinite_derivative"),
    "overflow": ("exp(800 + {} ** 2)", "inf", "overflow"),
}


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("fault", FAULTS)
def test_the_planted_node_is_named(fault: str, seed: int) -> None:
    text, status, reason = FAULTS[fault]
    program, planted = planted_program(seed, text)
    line = 1 + next(i for i, text in enumerate(program.splitlines()) if text.startswith("planted ="))
    draw = np.random.default_rng(seed)
    inputs = {name: draw.uniform(0.5, 1.5, 3) for name in "xyz"} | {"m": draw.uniform(0.5, 1.5, (3, 3))}
    told = ask(program, inputs, wrt=("x", "y", "z"))["variables"]
    for name, entry in told.items():
        where = f"{name}\n{program}\n{entry}"
        blamed = [culprit["source"]["line"] for culprit in entry["culprits"]]
        codes = {warning["code"] for warning in entry["warnings"]}
        if not planted.feeding(name, around=False):
            assert entry["status"] == "disconnected", where
        elif status in ("nan", "inf"):
            if planted.passing(name) and fault == "steep":
                assert entry["status"] in ("nan", "inf"), where
            assert entry["status"] in ("ok", "zero", "nan", "inf"), where
            if entry["status"] in ("nan", "inf"):
                assert (entry["reason"], blamed[:1]) == (reason, [line]), where
        elif not planted.passing(name):
            assert (entry["status"], blamed) == ("ok", []), where
        elif planted.feeding(name, around=True):
            assert entry["status"] == "ok", where
            assert ("dead_path" if status == "zero" else "partial_path") in codes, where
        else:
            assert (entry["status"], entry["reason"], blamed[0]) == (status, reason, line), where


BODY = (
    "sin({a} + 2)",
    "tanh({a} / 3)",
    "exp({a} / 9)",
    "{a} / 2 + 1",
    "softmax({a})",
    "cumsum({a})",
    "{a}[[2, 0, 1]]",
)
CALLS = {
    "scan": "    last = {last} + row / 5\n    return last, last\nout, all = scan(f, start, m)",
    "cond": "    return {last}\ndef g(h):\n    return h\nout = cond(f, g, sum(m) > 0, start)",
    "while": "    return i + 1, {last}\ndef go(i, h):\n    return i < 3\n"
    "n, out = while_loop(go, f, 0.0, start, carry=2, max_steps=5)",
    "map": "    return {last}\nout = map(f, stack([start, start * 2]))[0]",
    "checkpoint": "    return {last}\nout = checkpoint(f, start)",
    "call": "    return {last}\nout = f(start)",
}
PARAMETERS = {"scan": "h, row", "while": "i, h"}
FAST = {("float64", 0), ("float32", 1)}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("dtype", "seed"),
    [
        pytest.param(dtype, seed, marks=() if (dtype, seed) in FAST else pytest.mark.slow)
        for dtype in ("float64", "float32")
        for seed in range(4)
    ],
)
def test_the_planted_line_of_a_function_is_named(call: str, fault: str, dtype: str, seed: int) -> None:
    text, status, reason = FAULTS[fault]
    draw = np.random.default_rng(seed)
    forms = draw.choice(BODY, int(draw.integers(2, 5)))
    place = int(draw.integers(len(forms)))
    lines, last = [], "h"
    for k, form in enumerate(forms):
        if k == place:
            lines.append(f"    planted = {text.replace('float64', dtype).format(last)}")
            last = "planted"
        lines.append(f"    t{k} = {form.format(a=last)}")
        last = f"t{k}"
    body = "\n".join([f"def f({PARAMETERS.get(call, 'h')}):", *lines, CALLS[call].format(last=last)])
    program = f"start = x * 0.5 + y\n{body}\nsum(out * [0.7, 1.1, 1.9])"
    inputs = {name: draw.uniform(0.5, 1.5, 3) for name in "xy"} | {"m": draw.uniform(0.5, 1.5, (2, 3))}
    told = ask(program, inputs, wrt=("x", "y"), dtype=dtype)["variables"]
    line = 2 + 1 + place
    for entry in told.values():
        where = f"{program}\n{entry}"
        assert entry["culprits"][0]["source"]["line"] == line, where
        assert entry["reason"] == reason, where
        kinds = {status, "nan"} if status == "inf" else {status, "zero"}  # a cut in a function may be zeros
        assert entry["status"] in kinds, where


@pytest.mark.parametrize("seed", range(100))
def test_every_cut_is_reported_at_once_and_no_other(seed: int) -> None:
    draw = np.random.default_rng(seed)
    names, lines, cuts = ["x", "y", "z"], [], dict[str, str]()
    edges: list[tuple[str, str, str | None]] = []  # read, made, cut on the way
    for k in range(int(draw.integers(4, 10))):
        form = str(draw.choice([*KEEPING, *JOINING, *JOINING, *MIXING, *INSIDE]))
        read = [str(name) for name in draw.choice(names[-5:], 2, replace=False)][: 1 + ("{b}" in form)]
        written = []
        for name in read:
            cut = None
            if draw.random() < 0.25:
                cut = f"cut{len(cuts)}"
                cuts[cut] = str(draw.choice(["stop_gradient", "floor"]))
                lines.append(
                    f"{cut} = {cuts[cut]}({name} * 7)"
                    if cuts[cut] == "floor"
                    else f"{cut} = {cuts[cut]}({name})"
                )
            written.append(cut or name)
            edges.append((name, f"t{k}", cut))
        lines.append(f"t{k} = {form.format(a=written[0], b=written[-1])}")
        names.append(f"t{k}")
    program = FUNCTIONS + "\n".join([*lines, f"sum({names[-1]} * [0.7, 1.1, 1.9])"])
    behind = {names[-1]}
    for read_, made, _ in reversed(edges):
        behind |= {read_} if made in behind else set()
    inputs = {name: draw.uniform(0.5, 1.5, 3) for name in "xyz"} | {"m": draw.uniform(0.5, 1.5, (3, 3))}
    for name, entry in ask(program, inputs, wrt=("x", "y", "z"))["variables"].items():
        where = f"{name}\n{program}\n{entry}"
        values, carried = {name}, {name}
        for read_, made, cut in edges:
            values |= {made} if read_ in values else set()
            carried |= {made} if read_ in carried and cut is None else set()
        met = {cut for read_, made, cut in edges if cut and read_ in values and made in behind}
        if names[-1] not in values:
            assert entry["status"] == "disconnected", where
        elif names[-1] in carried:
            first = {cut for read_, made, cut in edges if cut and read_ in carried and made in behind}
            told = {one["node"] for one in entry["warnings"] if one["code"] == "partial_path"}
            assert (entry["status"], told) == ("ok", first), where
        else:
            stopped = all(cuts[cut] == "stop_gradient" for cut in met)
            assert entry["status"] == ("stopped" if stopped else "blocked"), where
            assert {one["node"] for one in entry["culprits"]} == met, where
