"""The user's text is parsed safely from many threads: Python 3.11's parser is not safe by itself."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest

from gradwire._tracing import caller, syntax
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


FORK = """
import os, signal
from gradwire._tracing import syntax
syntax._parser.lock.acquire()  # as another thread would hold it while this one forks
child = os.fork()
if child == 0:
    signal.alarm(20)
    os._exit(0 if syntax.parse("x = 1") else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_child_does_not_wait_for_a_thread_of_its_parent() -> None:
    assert subprocess.run([sys.executable, "-c", FORK], timeout=60, check=False).returncode == 0


def test_a_file_is_parsed_once_for_all_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []

    def count(text: str) -> object:
        parsed.append(text)
        return parse(text)

    monkeypatch.setattr(syntax, "parse", count)
    syntax._source.cache_clear()
    caller._expressions.clear()
    one, other = caller.caller(), caller.caller()
    again = [caller.caller() for _ in range(3)]
    assert one is not None
    assert other is not None
    assert again[0] is not None
    assert one is not other
    assert one.source is other.source is again[0].source
    assert again[0] is again[1] is again[2]
    assert one.unpacked_names is None
    assert one.dropped_step is None
    assert one.reduced_argument(0) is None
    assert len(parsed) == 1
