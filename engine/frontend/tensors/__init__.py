"""Tensors between JSON and arrays: the four forms a caller may send, and the three an answer may have.

    a   1.5, [[1, 2], [3, 4]]                       dtype: the declared one, else float64
    b   {"dtype": "int64", "data": [0, 2], "shape": [2]}
    c   {"dtype": "float32", "shape": [2], "data": {"encoding": "base64", "buffer": "AACAPwAAAEA="}}
    d   {"tensor": "key"}                           an array that travelled beside the JSON

    forms.py     any of the four forms to an array
    lists.py     form a: numbers and nested lists, and the data of form b
    encode.py    an array to the forms of an answer
    faults.py    what is wrong with a tensor, and where

Reading is strict. A nested list is checked level by level with sets of types and lengths, which costs
no Python loop over the elements; only an error looks for the first offending element.
"""

from engine.frontend.tensors.encode import Encoding, dtype_name, encode_tensor
from engine.frontend.tensors.forms import Place, Tensor, decode_dtype, decode_tensor, decode_tensors

__all__ = [
    "Encoding",
    "Place",
    "Tensor",
    "decode_dtype",
    "decode_tensor",
    "decode_tensors",
    "dtype_name",
    "encode_tensor",
]
