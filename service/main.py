"""The command `gradwire-server`: serve, worker, version."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence

from pydantic import ValidationError

from service.processes.limits import die_with
from service.serving.listeners import CannotListen, Listeners
from service.settings import Settings, default_text, settings_that_are_none, variable
from service.version import VERSION


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    os.umask(0o077)  # what is written is for this user alone
    options = vars(_parser().parse_args(arguments))
    command = options.pop("command")
    parent = options.pop("parent", None)
    if command == "version":
        sys.stdout.write(f"gradwire-server {VERSION}\n")
        return 0
    try:
        settings = Settings(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        return _fail("\n".join(f"setting {item['loc'][0]}: {item['msg']}" for item in error.errors()))
    if settings.log_format == "auto":  # as this process sees it: those that it starts write to pipes
        settings = settings.model_copy(update={"log_format": "console" if sys.stderr.isatty() else "json"})
    if parent is None:
        for warning in settings_that_are_none(os.environ):
            sys.stderr.write(f"gradwire-server: {warning}\n")
    return work(settings, parent) if command == "worker" else serve(settings)


def work(settings: Settings, parent: int | None = None) -> int:
    """Run jobs until SIGTERM or SIGINT, then save them; with `parent`, end when that process ends."""
    if parent is not None:  # before the imports, which take a second
        die_with(parent)
    os.environ.update(settings.blas_environment)
    from service.jobs.worker.process import run_worker  # noqa: PLC0415
    from service.storage.failures import CannotOpen  # noqa: PLC0415
    from service.telemetry.logs import Forwarder, make_logger  # noqa: PLC0415

    logger = make_logger(settings)
    logging.basicConfig(level=logging.WARNING, handlers=[Forwarder(logger)])
    try:
        run_worker(settings, logger)
    except (OSError, CannotOpen) as error:
        return _fail(f"cannot use the data folder '{settings.data}': {error}")
    return 0


def serve(settings: Settings) -> int:
    """Listen until SIGTERM or SIGINT, then finish what runs and leave nothing behind."""
    try:
        listeners = Listeners.open(settings)
    except CannotListen as error:
        return _fail(str(error))

    def say_where() -> None:
        sys.stdout.write(f"Gradwire {VERSION} listens on {listeners.address} (documentation at /docs)\n")
        sys.stdout.flush()

    try:
        if settings.processes > 1:
            from service.serving.group import supervise  # noqa: PLC0415

            return supervise(settings, listeners, say_where)
        return _serve_alone(settings, listeners, say_where)
    finally:
        listeners.close()


def _serve_alone(settings: Settings, listeners: Listeners, say_where: Callable[[], None]) -> int:
    # numpy reads these once, when it is first imported: so before anything of ours that computes.
    os.environ.update(settings.blas_environment)
    from service.app import create_app  # noqa: PLC0415
    from service.serving import server  # noqa: PLC0415
    from service.storage.failures import CannotOpen  # noqa: PLC0415

    try:
        app = create_app(settings, warm=True)
    except (OSError, CannotOpen) as error:
        return _fail(f"cannot use the data folder '{settings.data}': {error}")
    server.run(app, settings, listeners.shared, starting=say_where)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gradwire-server", description="Autodiff as a service.")
    parser.add_argument("--version", action="version", version=f"gradwire-server {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True)
    usage = "gradwire-server {} [--SETTING VALUE ...]"
    serving = commands.add_parser(
        "serve", help="start the server and its workers", usage=usage.format("serve")
    )
    working = commands.add_parser(
        "worker", help="start a worker that runs jobs of a data folder", usage=usage.format("worker")
    )
    for name, field in Settings.model_fields.items():
        default = default_text(field)
        text = f"{field.description}{f' Default: {default}.' if default else ''} [{variable(name)}]"
        for command in (serving, working):
            command.add_argument(f"--{name.replace('_', '-')}", metavar="VALUE", help=text.replace("%", "%%"))
    working.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    commands.add_parser("version", help="print the version")
    return parser


def _fail(message: str) -> int:
    sys.stderr.write(f"gradwire-server: {message}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
