"""Keys of ours in the ASGI scope."""

from __future__ import annotations

#: The path template of the endpoint, for metrics; FastAPI's router sets no `route` for plain routes.
TEMPLATE = "gradwire.template"
