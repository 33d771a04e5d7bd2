"""Every endpoint of the server, in the order the documentation shows them."""

from service.routes import datasets, derivatives, docs, graphs, health, job_results, jobs, models, ops
from service.routes.endpoint import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *derivatives.ENDPOINTS,
    *graphs.ENDPOINTS,
    *ops.ENDPOINTS,
    *models.ENDPOINTS,
    *jobs.ENDPOINTS,
    *job_results.ENDPOINTS,
    *datasets.ENDPOINTS,
    *health.ENDPOINTS,
    *docs.ENDPOINTS,
)

__all__ = ["ENDPOINTS"]
