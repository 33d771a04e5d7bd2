"""The version of the server, as its distribution says."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("gradwire-server")
except PackageNotFoundError:  # run from a source tree that was never installed
    VERSION = "0+unknown"
