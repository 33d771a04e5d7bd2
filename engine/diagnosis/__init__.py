"""Why there is no gradient: which variable, which node, why, and what to write instead.

`structure` reads the recorded tape alone: is there a path, and what cuts it. `report` turns a finding
into the entry that goes on the wire, with the words for people and the numbers of the gradient.
"""

from engine.diagnosis.report import entry
from engine.diagnosis.structure import Finding, Graphing, examine

__all__ = ["Finding", "Graphing", "entry", "examine"]
