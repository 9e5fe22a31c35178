"""Engines that speak AWS's protocols, on loopback: a table engine, and S3 with SQS (`.ci/install-emulators`)."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOOLS = Path(os.environ.get("CRS_TOOLS") or Path.home() / ".cache" / "crs-tools") / "bin"
_START_S = 30.0


def installed(*names: str) -> bool:
    return all((TOOLS / name).exists() for name in names or ("dynoxide", "ministack"))


@contextmanager
def aws_emulator(folder: Path) -> Iterator[dict[str, str]]:
    """The environment in which `CRS_STACK=aws` finds its tables, bucket and queues, all empty.

    folder   keeps the table's file and the logs. Both engines end, by their process ids, with the context.
    """
    with ExitStack() as stack:
        tables = stack.enter_context(table_engine(folder))
        objects_and_queues = stack.enter_context(s3_and_sqs(folder))
        environment = environment_of(tables, objects_and_queues) | {"CRS_STACK": "aws", "CRS_REGION": "eu-central-1"}
        command = [sys.executable, "-m", "tests.ports_aws.resources"]
        subprocess.run(command, cwd=ROOT, env=clean_environment() | environment, check=True, timeout=60)
        yield environment


@contextmanager
def table_engine(folder: Path) -> Iterator[str]:
    """Answers the endpoint."""
    port = free_port()
    command = [str(TOOLS / "dynoxide"), "serve", "--port", str(port), "--db-path", str(folder / "tables.sqlite")]
    with _running(command, folder / "tables.log", port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def s3_and_sqs(folder: Path, more: Mapping[str, str] | None = None) -> Iterator[str]:
    """Answers the endpoint. more: further variables of the engine, which functions that it runs inherit."""
    port = free_port()
    variables = {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "PERSIST_STATE": "0",
        "S3_DATA_DIR": str(folder / "s3"),
        "STATE_DIR": str(folder / "state"),
        **(more or {}),
    }
    with _running([str(TOOLS / "ministack")], folder / "objects.log", port, variables):
        yield f"http://127.0.0.1:{port}"


def environment_of(tables: str = "", objects_and_queues: str = "") -> dict[str, str]:
    """What AWS's clients read. Without endpoints they would call AWS itself, with credentials that open nothing."""
    endpoints = {
        "AWS_ENDPOINT_URL_DYNAMODB": tables,
        "AWS_ENDPOINT_URL_S3": objects_and_queues,
        "AWS_ENDPOINT_URL_SQS": objects_and_queues,
    }
    return {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    } | {name: endpoint for name, endpoint in endpoints.items() if endpoint}


def clean_environment() -> dict[str, str]:
    """This process's environment without anything of AWS's or ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CRS_"))}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _running(command: list[str], log: Path, port: int, variables: Mapping[str, str] | None = None) -> Iterator[None]:
    with log.open("wb") as output:
        engine = subprocess.Popen(
            command, env=clean_environment() | dict(variables or {}), stdout=output, stderr=output, cwd=log.parent
        )
    try:
        _wait_for(engine, port, log)
        yield
    finally:
        engine.terminate()
        try:
            engine.wait(10)
        except subprocess.TimeoutExpired:
            engine.kill()
            engine.wait()


def _wait_for(engine: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and engine.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{engine.args!r} did not start: {log.read_text(errors='replace')[-2000:]}")
