"""Schemathesis over the OpenAPI document, against a real server: no 5xx, and responses as documented."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.engine.graphs import REGRESSION
from tests.service.test_main import running

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.mark.slow
@pytest.mark.parametrize("examples", [60])
def test_no_case_is_a_server_error(tmp_path: Path, examples: int, capsys: pytest.CaptureFixture[str]) -> None:
    statuses: Counter[int] = Counter()
    with running(tmp_path) as server:
        base = str(server.client.base_url).rstrip("/")
        graph_id = server.client.post("/v1/graphs", json={"graph": REGRESSION}).json()["id"]
        schema = schemathesis.openapi.from_url(f"{base}/openapi.json")
        for found in schema.get_all_operations():
            operation = found.ok()
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

                @given(case=operation.as_strategy(generation_mode=mode))
                @settings(
                    max_examples=examples,
                    deadline=None,
                    database=None,
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                )
                def one(case: Any) -> None:
                    if case.method == "POST" and "graph_id" in case.path_parameters:
                        case.path_parameters["graph_id"] = graph_id  # else they all end in 404
                    response = case.call(base_url=base)
                    statuses[response.status_code] += 1
                    case.validate_response(response, checks=CHECKS)

                try:
                    one()
                except Unsatisfiable:  # nothing can be wrong with a request that has no parts
                    assert mode is GenerationMode.NEGATIVE
                    assert not operation.body
    cases = sum(statuses.values())
    with capsys.disabled():
        print(f"\nschemathesis: {cases} cases, statuses {dict(sorted(statuses.items()))}")
    assert cases > 500
    assert not [status for status in statuses if status >= 500]
