"""Every endpoint of the server, in the order the documentation shows them.

`derivatives`  every kind of derivative, and diagnose
`graphs`       published graphs
`ops`          the catalogue of ops
`models`       models of layers, expanded into graphs
`jobs`         jobs: submit, list, read, cancel, pause, resume, delete
`job_results`  metrics, events, checkpoints, parameters, predictions
`datasets`     data sets
`health`       liveness, readiness and metrics
`docs`         the OpenAPI document, Swagger UI, a page for each error code
"""

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
