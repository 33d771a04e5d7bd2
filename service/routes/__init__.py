"""Every endpoint of the server, in the order the documentation shows them."""

from service.routes import derivatives, docs, graphs, health, ops
from service.routes.endpoint import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *derivatives.ENDPOINTS,
    *graphs.ENDPOINTS,
    *ops.ENDPOINTS,
    *health.ENDPOINTS,
    *docs.ENDPOINTS,
)

__all__ = ["ENDPOINTS"]
