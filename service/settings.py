"""Every setting of the server, each also an environment variable `GRADWIRE_…` and a flag of `serve`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service import blas

_MIB = 2**20
_PREFIX = "GRADWIRE_"
#: Variables of this project that are no settings of the server: the SDK's, and those of tests and examples.
_NOT_THE_SERVERS = {"URL", "MNIST_DIR", "REQUIRE_ORACLES", "FUZZ_SEED", "FUZZ_CASES"}


class Settings(BaseSettings):
    """What an operator may choose; flags win over the environment, the environment over these defaults."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="forbid", frozen=True)

    host: str = Field(
        default="127.0.0.1",
        description="Address to listen on; 0.0.0.0 for every interface.",
    )
    port: int = Field(
        default=8000,
        ge=0,
        le=65535,
        description="Port to listen on; 0 takes any free one.",
    )
    uds: Path | None = Field(
        default=None,
        description="Path of a Unix socket to listen on; the port is then opened only if it is set too.",
    )
    uds_mode: str = Field(
        default="660",
        pattern="^0?[0-7]{3}$",
        description="Permissions of the Unix socket, in octal: who may write to it may call.",
    )
    processes: int = Field(
        default=1,
        ge=1,
        le=256,
        description="Processes that answer requests, on the same sockets; threads, children and queue_limit "
        "are divided among them.",
    )
    data: Path = Field(
        default=Path("gradwire-data"),
        description="Folder of everything that is kept: the database, data sets and checkpoints.",
    )
    api_key: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="If set, calls must carry 'Authorization: Bearer KEY'; health and docs stay open.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Origins whose web pages may call, separated by commas; * for any.",
    )

    max_body_bytes: int = Field(
        default=64 * _MIB,
        ge=1,
        description="Largest request body, in bytes.",
    )
    max_body_bytes_held: int = Field(
        default=256 * _MIB,
        ge=1,
        description="Bytes of request bodies that one process holds at once; one address may have half of "
        "them. A request beyond is answered with 503 busy.",
    )
    max_answer_bytes_held: int = Field(
        default=1024 * _MIB,
        ge=1,
        description="Bytes of large answers that wait to be read, in files of memory; one address may have "
        "half of them. A query beyond is answered with 503 busy.",
    )
    compress_from_bytes: int = Field(
        default=32 * 1024,
        ge=0,
        description="Bytes from which on an answer is compressed for callers that accept it; 0 compresses "
        "none.",
    )
    max_peak_bytes: int = Field(
        default=2048 * _MIB,
        ge=1,
        description="Largest estimated live memory of one query, in bytes; more is refused.",
    )
    max_head_bytes: int = Field(
        default=32 * 1024,
        ge=1,
        description="Largest head of a request (its line and headers), in bytes.",
    )
    max_connections: int | None = Field(
        default=None,
        ge=1,
        description="Connections that may be open at once; by default 10,000, and never more than three "
        "quarters of the files that the process may open. One more is answered with 503 busy.",
    )
    max_connections_per_address: int | None = Field(
        default=None,
        ge=1,
        description="Connections that one address may have open; by default three quarters of all.",
    )
    head_timeout_s: float = Field(
        default=10.0,
        gt=0,
        description="Seconds within which the head of a request has to come.",
    )
    body_timeout_s: float = Field(
        default=30.0,
        gt=0,
        description="Seconds that a caller may keep a body waiting, beside a second for each KiB.",
    )
    write_timeout_s: float = Field(
        default=30.0,
        gt=0,
        description="Seconds that a caller may leave an answer unread, beside a second for each KiB read.",
    )
    idle_timeout_s: int = Field(
        default=15,
        ge=1,
        description="Seconds after which a connection without a request is closed.",
    )
    max_answer_bytes: int = Field(
        default=256 * _MIB,
        ge=1,
        description="Largest response to a query, in bytes as it is sent; more is refused.",
    )
    child_memory_bytes: int | None = Field(
        default=None,
        ge=1,
        description="Bytes of memory that a child process may map beyond what it has at its start; by "
        "default 2 x max_peak_bytes + 1 GiB.",
    )
    isolate_children: bool = Field(
        default=True,
        description="Whether child processes are kept from files, the network and other processes, as far as "
        "the kernel (Landlock) and libseccomp can; GET /readyz says how far.",
    )
    time_limit_s: float = Field(
        default=30.0,
        gt=0,
        description="How long one query may run, in seconds of wall-clock time, before it is stopped.",
    )

    inline_limit_s: float = Field(
        default=0.0003,
        ge=0,
        description="Estimated seconds up to which a query runs on the event loop.",
    )
    thread_limit_s: float = Field(
        default=0.05,
        ge=0,
        description="Estimated seconds up to which a query runs in a thread; above, in a child process.",
    )
    threads: int = Field(
        default=4,
        ge=1,
        description="Threads for queries of medium size.",
    )
    children: int | None = Field(
        default=None,
        ge=1,
        description="Child processes for large queries; by default as many as cores, and at least 4. One "
        "address has all but one at most.",
    )
    queue_limit: int = Field(
        default=32,
        ge=0,
        description="How many large queries may wait for a child process; the next one is refused with 503 "
        "busy.",
    )
    blas_threads: int = Field(
        default=1,
        ge=1,
        description="BLAS threads in each process.",
    )
    blas_kernel: str | None = Field(
        default=None,
        min_length=1,
        description="OpenBLAS kernel of each process, such as Haswell; by default the one for the processor.",
    )

    device_memory_bytes: int | None = Field(
        default=None,
        ge=1,
        description="Bytes of a GPU that one process may hold, for queries or for a job; by default half.",
    )

    workers: int = Field(
        default=1,
        ge=0,
        description="Worker processes that `serve` starts for jobs; 0 if all are started by "
        "`gradwire-server worker`.",
    )
    jobs_at_once: int | None = Field(
        default=None,
        ge=1,
        description="Jobs that one worker runs at a time; by default the number of cores less one.",
    )
    job_memory_bytes: int | None = Field(
        default=None,
        ge=1,
        description="Bytes of memory that a job's process may map beyond what it has at its start; by "
        "default 2 x max_peak_bytes + 1 GiB.",
    )
    job_cpu_limit_s: int | None = Field(
        default=None,
        ge=1,
        description="Seconds of processor time that one attempt at a job may use; by default there is no "
        "limit.",
    )
    job_retries: int = Field(
        default=5,
        ge=0,
        description="How many times in a row a job's process may crash without writing a checkpoint in "
        "between before the job fails.",
    )
    job_retry_s: float = Field(
        default=0.5,
        ge=0,
        description="Seconds until a job whose process crashed is started again; twice as many after each "
        "further crash in a row, at most 30.",
    )
    job_lease_s: float = Field(
        default=10.0,
        gt=0,
        description="Seconds without a heartbeat after which other workers take over a worker's jobs.",
    )
    checkpoint_s: float = Field(
        default=10.0,
        gt=0,
        description="Seconds from one checkpoint of a job to the next; at the end of an epoch one is "
        "written sooner.",
    )
    checkpoint_steps: int | None = Field(
        default=None,
        ge=1,
        description="Steps from one checkpoint of a job to the next, in addition to checkpoint_s; by "
        "default only the time counts.",
    )
    checkpoints_kept: int = Field(
        default=3,
        ge=1,
        description="How many of a job's newest checkpoints are kept.",
    )
    max_dataset_bytes: int = Field(
        default=8192 * _MIB,
        ge=1,
        description="Largest data set, in bytes, both as uploaded and unpacked.",
    )
    max_datasets: int = Field(default=10_000, ge=1, description="How many data sets may be kept.")
    max_datasets_bytes: int | None = Field(default=None, ge=1, description="Bytes of all data sets together.")
    event_poll_s: float = Field(
        default=0.2,
        gt=0,
        description="Seconds between two reads of the database for new events of a job whose event stream "
        "is open.",
    )

    graph_cache: int = Field(
        default=1024,
        ge=1,
        description="How many decoded graphs are kept in memory.",
    )
    program_cache: int = Field(
        default=512,
        ge=1,
        description="How many specialised programs are kept in memory.",
    )

    cache_bytes: int = Field(
        default=256 * _MIB,
        ge=1,
        description="Bytes, about, of all that a process keeps to answer faster: programs, graphs and their "
        "texts, queries, checkpoints. Child processes share as much among them.",
    )

    log_format: Literal["auto", "json", "console"] = Field(
        default="auto",
        description="Format of log lines: json for machines, console for people; auto chooses console on a "
        "terminal.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="Lowest level of log lines that are written.",
    )
    log_requests: Literal["all", "errors", "off"] = Field(
        default="all",
        description="Which requests get a log line: all, errors (status 400 and above) or off.",
    )
    metrics: bool = Field(default=True, description="Whether GET /metrics is served.")

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(origin.strip() for origin in value.split(",") if origin.strip())
        return value

    @field_validator("blas_kernel")
    @classmethod
    def _runs_here(cls, value: str | None) -> str | None:
        if value is not None and (reason := blas.why_not(value)):
            raise ValueError(reason)
        return value

    @property
    def listens_on_port(self) -> bool:
        """Whether the port is opened: if there is no Unix socket, or the port was asked for beside it."""
        return self.uds is None or "port" in self.model_fields_set

    @property
    def uds_permissions(self) -> int:
        """The permissions of the Unix socket."""
        return int(self.uds_mode, 8)

    def of_process(self, index: int) -> Settings:
        """The settings of one of `processes`: its share of threads, children and places in the queue."""

        def share(of: int) -> int:
            return of // self.processes + (index < of % self.processes)

        return self.model_copy(
            update={
                "threads": max(1, share(self.threads)),
                "children": max(1, share(self.child_count)),
                "queue_limit": share(self.queue_limit),
            }
        )

    @property
    def child_count(self) -> int:
        """How many children there may be at once."""
        return self.children or max(4, os.cpu_count() or 1)

    @property
    def child_address_space(self) -> int:
        """Bytes that a child may map beyond what it has at its start."""
        return self.child_memory_bytes or 2 * self.max_peak_bytes + 1024 * _MIB

    @property
    def job_slots(self) -> int:
        """How many jobs one worker runs at a time."""
        return self.jobs_at_once or max(1, (os.cpu_count() or 1) - 1)

    @property
    def job_address_space(self) -> int:
        """Bytes that a job's process may map beyond what it has at its start."""
        return self.job_memory_bytes or 2 * self.max_peak_bytes + 1024 * _MIB

    @property
    def jobs_folder(self) -> Path:
        """The folder of the data and checkpoints of jobs."""
        return self.data.absolute() / "jobs"

    @property
    def datasets_folder(self) -> Path:
        """The folder of the data sets."""
        return self.data.absolute() / "datasets"

    @property
    def child_folders(self) -> dict[str, Any] | None:
        """The folders that a child for queries may touch; None if children are not isolated."""
        if not self.isolate_children:
            return None
        read = [str(self.datasets_folder)]
        write = [str(self.jobs_folder), str(self.jobs_folder.parent / "native")]
        return {"hidden": str(self.data.absolute()), "read": read, "write": write}

    def as_environment(self) -> dict[str, str]:
        """The variables that give another process these settings; the key is for the server alone."""
        chosen = self.model_dump(exclude={"api_key", "cors_origins"}, exclude_none=True)
        return {variable(name): str(value) for name, value in chosen.items()}

    @property
    def blas_environment(self) -> dict[str, str]:
        """The variables for BLAS, its threads and its kernel; they count only before numpy is imported."""
        threads = str(self.blas_threads)
        chosen = {} if self.blas_kernel is None else {blas.PIN: self.blas_kernel}
        return {
            "OPENBLAS_NUM_THREADS": threads,
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            **chosen,
        }


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return f"{_PREFIX}{name.upper()}"


def default_text(field: FieldInfo) -> str:
    """A default as an operator would write it; empty if there is none, or the description explains it."""
    if field.default in (None, ()) or "default" in (field.description or ""):
        return ""
    return str(field.default)


def settings_that_are_none(environment: Mapping[str, str]) -> list[str]:
    """A sentence for each variable that looks like a setting and is none."""
    names = [variable(name) for name in Settings.model_fields]
    warnings = []
    for name in sorted(environment):
        unknown = name.upper().startswith(_PREFIX) and name.upper() not in names
        if unknown and name.upper().removeprefix(_PREFIX) not in _NOT_THE_SERVERS:
            alike = get_close_matches(name.upper(), names, 1, 0.8)
            meant = f"; did you mean {alike[0]}?" if alike else "; docs/settings.md lists all"
            warnings.append(f"the environment variable {name} is no setting and has no effect{meant}")
    return warnings
