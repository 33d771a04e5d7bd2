"""The user's text is parsed safely from many threads: Python 3.11's parser is not safe by itself."""

from __future__ import annotations

import textwrap
from concurrent.futures import ThreadPoolExecutor

from gradwire._tracing.syntax import parse

DEEP = "x = " + "(" * 60 + "1" + " + 1)" * 60


def test_many_threads_parse_at_once() -> None:
    texts = [textwrap.dedent(f"{DEEP}\ny{number} = [{'x, ' * 2000}]") for number in range(40)]
    with ThreadPoolExecutor(8) as threads:
        trees = list(threads.map(parse, texts * 5))
    assert all(tree is not None and len(tree.body) == 2 for tree in trees)


def test_what_is_no_python_has_no_tree() -> None:
    assert parse("x = (") is None
    assert parse("\0") is None
