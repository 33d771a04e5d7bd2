"""What it takes to write an answer: seconds and bytes, known from the types of its tensors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from engine.dtypes import TensorType
from engine.frontend.tensors import Encoding

# Of JSON: seconds for a number, and for a list of numbers. Of others: seconds for a byte of the tensor.
_NUMBER_S = 1.3e-7
_ROW_S = 3e-7
_BASE64_S = 3.5e-9
_COPY_S = 4e-10
#: The fewest characters that a number of a dtype takes in a list, its comma included: `0.0,`, `true,`, `0,`.
_CHARACTERS = {"f": 4, "c": 10, "b": 5}


@dataclass(frozen=True, slots=True)
class AnswerSize:
    """Numbers and rows in JSON, bytes of the tensors, and the fewest characters of the JSON."""

    numbers: int = 0
    rows: int = 0
    tensor_bytes: int = 0
    characters: int = 0

    @classmethod
    def of(cls, types: Iterable[TensorType]) -> AnswerSize:
        """The size of an answer with tensors of these types."""
        numbers = rows = tensor_bytes = characters = 0
        for type in types:
            pairs = type.size if type.dtype.startswith("complex") else 0
            numbers += type.size + pairs
            rows += pairs + (type.size // max(1, type.shape[-1]) if len(type.shape) > 1 else 1)
            tensor_bytes += type.nbytes
            characters += type.size * _CHARACTERS.get(type.dtype[0], 2)
        return cls(numbers, rows, tensor_bytes, characters)

    def seconds(self, encoding: Encoding, *, safetensors: bool) -> float:
        """Seconds to encode it, about."""
        if safetensors:
            return self.tensor_bytes * _COPY_S
        if encoding == "base64":
            return self.tensor_bytes * _BASE64_S
        return self.numbers * _NUMBER_S + self.rows * _ROW_S

    def least_bytes(self, encoding: Encoding, *, safetensors: bool) -> int:
        """The fewest bytes that it takes, whatever its values."""
        if safetensors:
            return self.tensor_bytes
        return self.tensor_bytes * 4 // 3 if encoding == "base64" else self.characters
