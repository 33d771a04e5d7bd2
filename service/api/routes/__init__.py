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

from collections.abc import Sequence

from fastapi.routing import APIRoute

from service.api.routes import datasets, derivatives, docs, graphs, health, job_results, jobs, models, ops

_ROUTERS = (
    derivatives.router,
    graphs.bare,
    graphs.router,
    ops.router,
    models.router,
    jobs.bare,
    jobs.router,
    job_results.router,
    job_results.bare,
    datasets.router,
    health.bare,
    health.router,
    docs.router,
)

#: One flat list: FastAPI matches the routes of an included router twice.
ROUTES: Sequence[APIRoute] = [
    route for router in _ROUTERS for route in router.routes if isinstance(route, APIRoute)
]

__all__ = ["ROUTES"]
