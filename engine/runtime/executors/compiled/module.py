"""The code of a tape: a function for each region, and one for each segment between NumPy steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.runtime.executors.compiled.ir import Builder, Module
from engine.runtime.executors.compiled.nests import Nest
from engine.runtime.executors.compiled.nodes import Nodes, NumpyStep, Product
from engine.runtime.executors.compiled.products import Tiles
from engine.runtime.executors.compiled.regions import Region

EMITTER = 1  # the version of what is written; raise it where bits change


@dataclass(slots=True)
class CodePlan:
    """The text, and in which order its functions and NumPy steps run.

    `calls` are names of functions and NumPy steps; `entries` the place of each root in the table of pointers;
    `buffers` the roots that one region uses alone, by that region.
    """

    text: str
    calls: list[str | NumpyStep]
    entries: dict[int, int]
    buffers: dict[int, int] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The functions that are called from outside."""
        return [call for call in self.calls if isinstance(call, str)]


def write_code(
    nodes: Nodes, regions: Sequence[Region], stored: set[int], homes: Mapping[int, int], *, wide: bool
) -> CodePlan:
    """The code of regions; a root in `homes` is written where another root lies."""
    module = Module()
    tiles = Tiles(module, wide)
    code = CodePlan("", [], {})
    bodies: dict[str, str] = {}
    texts: dict[str, str] = {}
    segment: list[str] = []

    def entry(root: int) -> int:
        return code.entries.setdefault(homes.get(root, root), len(code.entries))

    def close() -> None:
        if segment:
            name = f"segment{len(bodies)}"
            b = Builder(module)
            for function in segment:
                b.do(f"call void @{function}(ptr %table)")
            bodies[name] = b.function(f"void @{name}(ptr %table) nounwind")
            code.calls.append(name)
            segment.clear()

    for place, region in enumerate(regions):

        def buffer(size: int, dtype: str, place: int = place) -> int:
            root = nodes.fresh((size,), dtype)
            code.buffers[root] = place
            return root

        name = f"region{place}"
        if region.is_loop:
            texts[name] = Nest(region, nodes, module, entry, stored, buffer).write(name)
        elif isinstance(region.nodes[0], Product):
            texts[name] = tiles.write(name, region.nodes[0], nodes, entry, buffer)
        else:
            close()
            step = region.nodes[0]
            assert isinstance(step, NumpyStep)
            code.calls.append(step)
            continue
        segment.append(name)
    close()
    module.functions.update(texts)
    module.functions.update(bodies)
    code.text = module.text
    return code
