"""What the pages list is what there is: ops, settings and errors are generated, endpoints are compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs import generate
from service.api.routes import ENDPOINTS

HTTP_PAGE = Path(__file__).parents[2] / "docs" / "http.md"


def test_generated_pages_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 0, capsys.readouterr().err


def test_a_page_that_lags_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(generate, "FOLDER", tmp_path)
    assert generate.main(["--check"]) == 1
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint.method} {endpoint.path}")
def test_every_endpoint_is_on_the_page(endpoint) -> None:
    assert f"`{endpoint.method} {endpoint.path}`" in HTTP_PAGE.read_text()
