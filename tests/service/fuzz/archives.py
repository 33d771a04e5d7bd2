"""Random files: npy, npz, CSV and safetensors that are right, that are nearly right, and that are not."""

from __future__ import annotations

import io
import json
import random
import struct
import warnings
import zipfile
from typing import Any, Final

import numpy as np

from tests.service.fuzz.campaign import damaged

_DTYPES: Final = (
    "<f8", "<f4", "<f2", "<i8", "<i4", "|i1", "|u1", "|b1", "<c16", ">f8", ">i2", "<c8", "<u8", "|S3",
    "<U2", "|O", "<M8[s]", "<f16", "|V4", "<i16", "f8", "", "<f8,<i4", 8, None, [], [("a", "<f8")], True,
    "\x00",
)  # fmt: skip
_SIZES: Final = (
    0, 1, 2, 3, 5, -1, -3, True, False, 2**31, 2**40, 2**62, 2**63, 2**64, 10**30, 1.0, "2", None, (2,), [],
    1j,
)  # fmt: skip
_CELLS: Final = (
    "1", "-2", "0.5", "1e3", "1e999", "-1e999", "nan", "inf", "", " ", "true", "FALSE", "null", "x", "1_0",
    "0x10", "1e", "9" * 400, '"1"', '"', "'", '"a""b"', "\0", "\u0665", "\u00a01", "1;2", "--1", "+.5",
    "1,2", "\ufeff1", "123456789012345678901234567890", "1" * 16, "Infinity", "-nan", "1d5", "0b1", "1j",
)  # fmt: skip
_NAMES: Final = (
    "a",
    "x",
    "y",
    "b c",
    "",
    "1",
    "nan",
    "a\u0000",
    '"q"',
    "\u2028",
    "x" * 200,
    "é",
    "a.npy",
    "/",
)
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


class Files:
    """Files from one seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def any(self) -> tuple[str, bytes]:
        """A format and the bytes of a file."""
        form = self.rng.choice(("npy", "npz", "csv", "safetensors"))
        content = {"npy": self.npy, "npz": self.npz, "csv": self.csv, "safetensors": self.safetensors}[form]()
        return form, damaged(self.rng, content) if self.rng.random() < 0.4 else content

    def array(self) -> Any:
        """A small array."""
        rng = self.rng
        shape = tuple(rng.randrange(4) for _ in range(rng.randrange(4)))
        array = np.zeros(shape, rng.choice(_DTYPES[:13]))
        return np.asfortranarray(array) if rng.random() < 0.2 else array

    def npy(self) -> bytes:
        """As NumPy writes it, or with a head of its own."""
        rng = self.rng
        if rng.random() < 0.3:
            buffer = io.BytesIO()
            np.save(buffer, self.array())
            return buffer.getvalue()
        axes = rng.choice((0, 1, 1, 2, 2, 3, 32, 33, 64, 65, 200))
        shape = tuple(
            rng.choice(_SIZES[:3] if axes > 3 or rng.random() < 0.6 else _SIZES) for _ in range(axes)
        )
        head: Any = {
            "descr": rng.choice(_DTYPES[:8] if rng.random() < 0.6 else _DTYPES),
            "fortran_order": rng.choice((False, False, True, 0, "no", None)),
            "shape": shape if rng.random() < 0.9 else rng.choice((list(shape), 3, None, "(2,)", {1})),
        }
        if rng.random() < 0.1:
            head.pop(rng.choice(list(head)))
        if rng.random() < 0.1:
            head[rng.choice(("shape", "more", 3))] = rng.choice(_SIZES)
        text = repr(head)
        if rng.random() < 0.15:
            at = rng.randrange(len(text))
            odd = rng.choice(
                ("(" * 300, "-" * 3000, "{", "'", "#", "\\", "9" * 5000, "__import__('os')", "\0", "L")
            )
            text = text[:at] + odd + text[at:]
        encoded = text.encode("utf-8") + b" " * rng.randrange(64) + b"\n"
        version = rng.choice(((1, 0), (1, 0), (1, 0), (2, 0), (3, 0), (0, 0), (255, 255)))
        length = len(encoded) if rng.random() < 0.9 else rng.choice((0, 1, 2**16 - 1, len(encoded) + 9))
        width = "<H" if version[0] == 1 else "<I"
        start = b"\x93NUMPY" + bytes(version) + struct.pack(width, length % 2 ** (8 * struct.calcsize(width)))
        return start + encoded + bytes(rng.choice((0, 8, 16, 24, 32, 48, 64, 100)))

    def npz(self) -> bytes:
        """An archive of arrays, some of whose members, names or records are odd."""
        rng = self.rng
        buffer = io.BytesIO()
        rows = rng.randrange(1, 4)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a name twice
            with zipfile.ZipFile(buffer, "w", rng.choice(_METHODS)) as archive:
                for k in range(rng.choice((0, 1, 1, 2, 3))):
                    member = io.BytesIO()
                    np.save(member, np.ones((rows, rng.randrange(3)), rng.choice(("f8", "i4"))))
                    content = member.getvalue() if rng.random() < 0.8 else self.npy()
                    name = f"{rng.choice(_NAMES) if rng.random() < 0.3 else f'f{k}'}.npy"
                    if rng.random() < 0.1:
                        name = rng.choice(("../up.npy", "/abs.npy", "plain", "dir/", "a/b.npy", "c:\\d.npy"))
                    with archive.open(zipfile.ZipInfo(name), "w", force_zip64=rng.random() < 0.2) as file:
                        file.write(content)
                if rng.random() < 0.1:
                    archive.comment = bytes(rng.randrange(200))
        content = bytearray(buffer.getvalue())
        while rng.random() < 0.4:  # a field of one of the records, found by its signature
            signature = rng.choice(
                (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07")
            )
            at = content.find(signature)
            if at < 0:
                break
            offset, width = at + rng.randrange(4, 46), rng.choice((1, 2, 4))
            value = rng.choice((0, 1, 9, 12, 14, 99, 0xFFFF, 0xFFFFFFFF, 0x7FFFFFFF, rng.randrange(2**32)))
            content[offset : offset + width] = (value % 256**width).to_bytes(width, "little")
        return bytes(content)

    def csv(self) -> bytes:
        """A table, some of whose cells, lines or names are odd."""
        rng = self.rng
        columns = rng.choice((1, 2, 3, 3, 50))
        names = [rng.choice(_NAMES) if rng.random() < 0.1 else f"c{k}" for k in range(columns)]
        lines = [",".join(names)]
        for _ in range(rng.randrange(5)):
            count = columns if rng.random() < 0.93 else rng.randrange(5)
            lines.append(",".join(rng.choice(_CELLS) if rng.random() < 0.2 else "1.5" for _ in range(count)))
        text = rng.choice(("\n", "\n", "\r\n", "\r", "\n\n", "\x0b")).join(lines)
        encoding = rng.choice(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"))
        return text.encode(encoding, "replace") + rng.choice((b"\n", b"", b"\r\n", b"\n\n\n"))

    def safetensors(self) -> bytes:
        """A file of tensors, some of whose entries are odd."""
        rng = self.rng
        head: dict[str, Any] = {}
        begin = 0
        for k in range(rng.randrange(4)):
            axes = rng.choice((0, 1, 2, 2, 64, 65, 100))
            shape = [rng.choice((1, 2, 0) if axes < 3 else (1,)) for _ in range(axes)]
            dtype = rng.choice(
                ("F64", "F32", "F16", "I64", "I8", "BOOL", "C64", "BF16", "F8_E4M3", "X", 3, None)
            )
            width = {"F64": 8, "I64": 8, "C64": 8, "F32": 4, "F16": 2, "BF16": 2}.get(str(dtype), 1)
            end = begin + int(np.prod(shape)) * width
            entry: Any = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
            if rng.random() < 0.2:
                entry[rng.choice(list(entry))] = rng.choice(
                    (*_SIZES[:17], [0, 0], [-8, 0], [0, 2**63], {}, [[1]])
                )
            if rng.random() < 0.1:
                entry["shape"] = [rng.choice(_SIZES[:14]) for _ in range(3)]
            head[rng.choice(_NAMES) if rng.random() < 0.2 else f"t{k}"] = entry
            begin = end
        head["$json" if rng.random() < 0.1 else "__metadata__"] = rng.choice(
            ({}, {"a": "b"}, {"a": 1}, None, [], {"json": "{}"}, {"json": '{"a": {"tensor": "t0"}}'})
        )
        text = json.dumps(head).encode()
        if rng.random() < 0.1:
            text = rng.choice((b"[" * 2000, b"{", b"", b"null", text + b" " * 9, text.replace(b'"', b"'", 1)))
        length = (
            len(text) if rng.random() < 0.9 else rng.choice((0, 1, 2**32, 2**63, 2**64 - 1, len(text) + 5))
        )
        return length.to_bytes(8, "little") + text + bytes(begin if rng.random() < 0.9 else begin + 3)
