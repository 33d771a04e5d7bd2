"""Einstein summation, checked when it is recorded and lowered to matrix products."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import prod
from typing import Any

from engine.errors import InvalidAttribute, ShapeMismatch, WrongArity
from engine.ir.attributes import TEXT, Attribute
from engine.ir.families import composite
from engine.ir.samples import Sample
from engine.ir.table import F
from engine.ops.linalg.contraction import Labels, arranged, contract, total

_SEARCHED = 24  # operands among which the cheapest pair is looked for
_HINT = "an equation is like 'ij,jk->ik': one group of letters for each tensor, '...' for other axes"


@dataclass(frozen=True, slots=True)
class Equation:
    """The letters of each tensor and of the result. Axes under `...` are numbered from the last, -1."""

    operands: tuple[Labels, ...]
    result: Labels


def parse_equation(text: str, ndims: Sequence[int]) -> Equation:
    """Read an equation for tensors with `ndims` axes; raises InvalidAttribute, WrongArity, ShapeMismatch."""
    left, arrow, right = text.replace(" ", "").partition("->")
    groups = left.split(",")
    if len(groups) != len(ndims):
        raise WrongArity(f"the equation '{text}' has {len(groups)} operands, got {len(ndims)}", hint=_HINT)
    operands = tuple(_labels(group, ndim, text) for group, ndim in zip(groups, ndims, strict=True))
    hidden = sorted({label for labels in operands for label in labels if isinstance(label, int)})
    if arrow:
        result = _result(right, hidden, text)
    else:
        counts = Counter(label for labels in operands for label in labels if isinstance(label, str))
        result = (*hidden, *sorted(letter for letter, count in counts.items() if count == 1))
    labels_in = {label for labels in operands for label in labels}
    for label in result:
        if label not in labels_in:
            raise InvalidAttribute(f"'{label}' of the answer is in no operand of '{text}'", hint=_HINT)
    return Equation(operands, result)


def _split(group: str, text: str) -> tuple[str, bool, str]:
    before, dots, after = group.partition("...")
    for letter in before + after:
        if not (letter.isascii() and letter.isalpha()):
            raise InvalidAttribute(f"unexpected '{letter}' in the equation '{text}'", hint=_HINT)
    return before, bool(dots), after


def _labels(group: str, ndim: int, text: str) -> Labels:
    before, dots, after = _split(group, text)
    rest = ndim - len(before) - len(after)
    if rest < 0 or (rest and not dots):
        raise ShapeMismatch(
            f"'{group}' of the equation '{text}' does not name the {ndim} axes of its tensor",
            hint=_HINT,
        )
    return (*before, *range(-rest, 0), *after)


def _result(group: str, hidden: Sequence[int], text: str) -> Labels:
    before, dots, after = _split(group, text)
    if len({*before, *after}) < len(before) + len(after):
        raise InvalidAttribute(f"a letter stands twice in the answer of '{text}'", hint=_HINT)
    return (*before, *(hidden if dots else ()), *after)


def _without_repeats(x: Any, labels: Labels) -> tuple[Any, Labels]:
    """Where a letter names two axes of one tensor, only their diagonal counts."""
    while len(set(labels)) < len(labels):
        second = next(i for i, label in enumerate(labels) if label in labels[:i])
        first = labels.index(labels[second])
        x = F.diagonal(x, axis1=first, axis2=second)
        rest = tuple(label for i, label in enumerate(labels) if i not in (first, second))
        labels = (*rest, labels[second])
    return x, labels


def _sizes(xs: Sequence[Any], equation: Equation) -> dict[Any, int]:
    """The size of every label; raises ShapeMismatch."""
    sizes: dict[Any, int] = {}
    for x, labels in zip(xs, equation.operands, strict=True):
        if len(set(zip(labels, x.shape, strict=True))) > len(set(labels)):
            raise ShapeMismatch(
                f"a letter names axes of different sizes in shape {x.shape}",
                hint="the diagonal of axes of one size is read",
            )
        for label, size in zip(labels, x.shape, strict=True):
            if sizes.setdefault(label, size) == 1:
                sizes[label] = size
            elif size not in (1, sizes[label]):
                shapes = " and ".join(str(x.shape) for x in xs)
                raise ShapeMismatch(
                    f"axis '{label}' has sizes {sizes[label]} and {size} in shapes {shapes}",
                    hint="axes of one letter have one size, or size 1",
                )
    return sizes


def _without_singles(x: Any, labels: Labels, sizes: dict[Any, int]) -> tuple[Any, Labels]:
    """An axis of size 1 that broadcasts against a larger one needs no letter."""
    single = tuple(
        i for i, (label, size) in enumerate(zip(labels, x.shape, strict=True)) if size != sizes[label]
    )
    if not single:
        return x, labels
    return F.squeeze(x, axis=single), tuple(label for i, label in enumerate(labels) if i not in single)


def _einsum(*xs: Any, equation: str) -> Any:
    parsed = parse_equation(equation, [x.ndim for x in xs])
    sizes = _sizes(xs, parsed)
    terms = []
    for x, labels in zip(xs, parsed.operands, strict=True):
        x, labels = _without_singles(x, labels, sizes)  # noqa: PLW2901  # each step narrows the same tensor
        terms.append(_without_repeats(x, labels))
    while len(terms) > 1:
        i, j = _cheapest(terms, parsed.result, sizes)
        second, first = terms.pop(j), terms.pop(i)
        needed = {*parsed.result, *(label for _, labels in terms for label in labels)}
        terms.append(contract(*first, *second, tuple(needed)))
    x, labels = total(*terms[0], parsed.result)
    return arranged(x, labels, parsed.result)


def _cheapest(terms: Sequence[tuple[Any, Labels]], result: Labels, sizes: dict[Any, int]) -> tuple[int, int]:
    """The pair whose product is smallest beside what it replaces, then the one with the least work.

    Of very many operands the first two: looking at all pairs would take longer than it saves.
    """
    if len(terms) > _SEARCHED:
        return 0, 1

    def price(pair: tuple[int, int]) -> tuple[int, int]:
        i, j = pair
        both = {*terms[i][1], *terms[j][1]}
        others = {label for k, (_, labels) in enumerate(terms) if k not in pair for label in labels}
        elements = prod(sizes[label] for label in both if label in others or label in result)
        return elements - terms[i][0].size - terms[j][0].size, prod(sizes[label] for label in both)

    return min(combinations(range(len(terms)), 2), key=price)


einsum = composite(
    "einsum",
    summary="Products summed over the letters that the result does not have, as in 'ij,jk->ik'.",
    formula=_einsum,
    kinds="numeric",
    variadic=True,
    attributes=(Attribute("equation", TEXT),),
    samples=(
        Sample(((2, 3), (3, 4)), {"equation": "ij,jk->ik"}),
        Sample(((2, 3), (3, 4)), {"equation": "ij,jk"}),
        Sample(((3, 3),), {"equation": "ii"}),
        Sample(((3, 3),), {"equation": "ii->i"}),
        Sample(((2, 3),), {"equation": "ij->ji"}),
        Sample(((2, 3), (3,)), {"equation": "ij,k->j"}),
        Sample(((2, 2, 3), (1, 3, 2)), {"equation": "...ij,...jk->...ik"}),
        Sample(((2, 3), (2, 3)), {"equation": "bi,bi->b"}),
        Sample(((2, 3), (3, 2), (2,)), {"equation": "ij,jk,k->i"}),
        Sample(((2, 3, 2), (3, 4)), {"equation": "bib,ij->jb"}),
        Sample(((2, 3), (2, 3)), {"equation": "ij,ij->"}),
        Sample(((2, 3, 4), (2, 5, 4)), {"equation": "bqd,bkd->bqk"}),
        Sample(((2,), (3,)), {"equation": "i,j->ij"}),
        Sample(((), (2, 3)), {"equation": ",ij->ij"}),
    ),
    conventions="Equations as in NumPy. A letter that one tensor has twice reads its diagonal.",
)
