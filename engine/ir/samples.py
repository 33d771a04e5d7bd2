"""The samples on which an op is tested and shown, and the intervals their values are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Domain:
    """An interval that keeps an input's test values away from kinks and poles."""

    low: float = -2.0
    high: float = 2.0
    away_from_zero: float = 0.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One case on which an op is tested and shown: a shape or literal values for each input."""

    inputs: tuple[Any, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Samples:
    """The cases of an op, and the domain of each input's test values: one for all inputs, or one for each."""

    domain: Domain | tuple[Domain, ...] = Domain()
    cases: tuple[Sample, ...] = ()

    def domain_of(self, position: int) -> Domain:
        """The domain of the input at `position`; a variadic input's repeats."""
        if isinstance(self.domain, Domain):
            return self.domain
        return self.domain[min(position, len(self.domain) - 1)]
