"""Settings: flags over environment over defaults, and refusals that name the setting."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from service import blas, main
from service.settings import Settings, variable
from service.storage.database import FILE
from service.version import VERSION


def test_defaults() -> None:
    settings = Settings()
    assert (settings.host, settings.port, settings.data) == ("127.0.0.1", 8000, Path("gradwire-data"))
    assert settings.child_count >= 1
    assert settings.child_address_space > settings.max_peak_bytes


def test_every_setting_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "host": "::1",
        "port": "0",
        "data": "/tmp/x",
        "api_key": "k",
        "cors_origins": "https://a.example,https://b.example",
        "log_format": "console",
        "log_level": "debug",
        "log_requests": "errors",
        "metrics": "false",
        "isolate_children": "false",
        "uds": "/tmp/gradwire.sock",
        "uds_mode": "600",
        "blas_kernel": blas.in_use().kernel or "",
    }
    for name in Settings.model_fields:
        monkeypatch.setenv(f"GRADWIRE_{name.upper()}", values.get(name, "7"))
    settings = Settings()
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "k"
    assert settings.metrics is False
    for name in Settings.model_fields.keys() - values.keys():
        assert getattr(settings, name) == 7


def test_the_key_does_not_show() -> None:
    assert "sesame" not in repr(Settings(api_key="sesame"))


def test_flags_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADWIRE_PORT", "1")
    monkeypatch.setenv("GRADWIRE_HOST", "10.0.0.1")
    seen: list[Settings] = []
    monkeypatch.setattr(main, "serve", lambda settings: seen.append(settings) or 0)
    assert main.main(["serve", "--port", "2", "--max-body-bytes", "1000", "--metrics", "false"]) == 0
    [settings] = seen
    assert (settings.port, settings.host, settings.max_body_bytes, settings.metrics) == (
        2,
        "10.0.0.1",
        1000,
        False,
    )


def test_a_bad_value_names_the_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["serve", "--port", "70000"]) == 1
    assert "port" in capsys.readouterr().err
    with pytest.raises(ValidationError, match="time_limit_s"):
        Settings(time_limit_s=0)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["version"]) == 0
    assert capsys.readouterr().out.startswith("gradwire-server ")


def test_help_shows_each_default_and_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main.main(["serve", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "Port to listen on; 0 takes any free one. Default: 8000. [GRADWIRE_PORT]" in shown
    assert all(variable(name) in shown for name in Settings.model_fields)


def test_the_version_as_flag_and_as_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main.main(["--version"])
    flag = capsys.readouterr().out
    assert main.main(["version"]) == 0
    assert flag == capsys.readouterr().out == f"gradwire-server {VERSION}\n"


def test_a_misspelt_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(main, "serve", lambda settings: 0)
    for name in ("GRADWIRE_MAX_BODY_BYTE", "GRADWIRE_PURPLE", "GRADWIRE_URL", "GRADWIRE_PORT"):
        monkeypatch.setenv(name, "5")
    assert main.main(["serve"]) == 0
    first, second = capsys.readouterr().err.splitlines()
    assert "GRADWIRE_MAX_BODY_BYTE is no setting" in first
    assert first.endswith("did you mean GRADWIRE_MAX_BODY_BYTES?")
    assert "GRADWIRE_PURPLE" in second


def test_lines_are_for_people_on_a_terminal_and_for_machines_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    formats: list[str] = []
    monkeypatch.setattr(main, "serve", lambda settings: formats.append(settings.log_format) or 0)
    for terminal in (True, False):
        monkeypatch.setattr(main.sys.stderr, "isatty", lambda terminal=terminal: terminal)
        main.main(["serve"])
    main.main(["serve", "--log-format", "console"])
    assert formats == ["console", "json", "console"]


@pytest.mark.parametrize(
    "content", [b"no database", bytes(range(256)) * 64, b"SQLite format 3\0" + bytes(4080)]
)
def test_a_damaged_database_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    (tmp_path / FILE).write_bytes(content)
    assert main.main(["serve", "--port", "0", "--data", str(tmp_path)]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert f"cannot use the data folder '{tmp_path}'" in line
    assert "backup" in line
    assert (tmp_path / FILE).read_bytes() == content, "what is there is left alone"
