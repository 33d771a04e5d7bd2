"""Paths of the server's disk, which no answer to a client shows."""

from __future__ import annotations

import re
from pathlib import Path

_QUOTED = re.compile(r"""(['"])/[^'"]*\1""")
_BARE = re.compile(r"""(?<![\w./-])/[^\s'",;:()]+(?:/[^\s'",;:()]*)*""")


def without_server_paths(text: str, folder: Path) -> str:
    """`text`, such as the last line that a process wrote, for a client.

    The name of `folder`, the data folder, is left out as the operator wrote it and as an absolute path; so is
    every other absolute path. Quoted paths may hold spaces.
    """
    for name in (str(folder.absolute()), str(folder)):
        text = re.sub(rf"""(['"]?){re.escape(name)}(/[^\s'",;:()]*)?\1""", "…", text) if name != "." else text
    return _BARE.sub("…", _QUOTED.sub("…", text))
