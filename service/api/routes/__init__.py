"""Every endpoint of the server, in the order the documentation shows them."""

from service.api.endpoint import Endpoint
from service.api.routes import datasets, derivatives, docs, graphs, health, job_results, jobs, models, ops

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
