"""The gateway on the AWS stack, against the engines of `emulators`.

python -m tests.ports_aws.serving COMMAND …    runs a command while it serves, told by CRS_TEST_REGISTRY, _USERNAME,
                                               _PASSWORD and _SPARSE (a namespace that allows sparse indexes) where
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .emulators import ROOT, aws_emulator, clean_environment, free_port

PASSWORD = "correct-horse-battery-42"
SPARSE_NAMESPACE = "sparse"
_START_S = 60.0
# Prints the id of the instance that it makes.
_OPEN = f"""
import os
from chalicelib.cli.instances import create_namespace
from chalicelib.host.first_start import first_start
from chalicelib.kernel.settings import Settings
from chalicelib.ports.stack import open_stack
stack = open_stack(Settings.from_environment(os.environ))
print(first_start(stack).instance.id)
create_namespace(stack, "default", name={SPARSE_NAMESPACE!r}, auto_create_repository=True,
                 default_visibility="private", allow_sparse_indexes=True)
stack.close()
"""


@dataclass(frozen=True)
class AwsService:
    """A gateway process, and the environment in which it and the command line see the same stores. pid: 0 without."""

    url: str
    environment: dict[str, str]
    pid: int = 0
    username: str = "admin"
    password: str = PASSWORD


@contextmanager
def serving_on_aws(folder: Path) -> Iterator[AwsService]:
    """folder   keeps the engines' files and every log; nothing of the registry's is in it."""
    with opened_on_aws(folder) as opened:
        command = [sys.executable, "-m", "chalicelib.cli", "gateway"]
        with (folder / "gateway.log").open("wb") as log:
            gateway = subprocess.Popen(command, cwd=ROOT, env=opened.environment, stdout=log, stderr=log)
        try:
            wait_for(gateway, opened.url, folder / "gateway.log")
            yield replace(opened, pid=gateway.pid)
        finally:
            gateway.terminate()
            gateway.wait(30)


@contextmanager
def opened_on_aws(folder: Path) -> Iterator[AwsService]:
    """The same without the gateway, whose environment it says: stores, a first instance, the ports to listen on.

    `url` is the instance's own port, because the host name `127.0.0.1` names no instance on AWS.
    """
    with aws_emulator(folder) as emulated:
        environment = clean_environment() | emulated
        environment |= {"CRS_DATA": str(folder / "data"), "CRS_ADMIN_PASSWORD": PASSWORD}
        environment |= {"CRS_SIGNING_KEY": signing_key(), "CRS_SECRET_KEY": secrets.token_urlsafe(32)}
        done = subprocess.run(
            [sys.executable, "-c", _OPEN], cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
        port = free_port()
        environment |= {"CRS_PORT": str(free_port()), "CRS_INSTANCE_PORTS": f"{done.stdout.split()[-1]}={port}"}
        yield AwsService(f"http://127.0.0.1:{port}", environment)


def signing_key() -> str:
    """A key of this run's own, as PEM."""
    made = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PrivateFormat.PKCS8
    return made.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def wait_for(gateway: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Until it is ready. Raises RuntimeError with what it logged if it never is."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and gateway.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=5, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"the gateway did not start: {log.read_text(errors='replace')[-4000:]}")


def main(command: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder, serving_on_aws(Path(folder)) as service:
        told = {
            "CRS_TEST_REGISTRY": service.url,
            "CRS_TEST_USERNAME": service.username,
            "CRS_TEST_PASSWORD": service.password,
            "CRS_TEST_SPARSE": SPARSE_NAMESPACE,
        }
        code = subprocess.run(command, env=os.environ | told, check=False).returncode
        sys.stderr.write((Path(folder) / "gateway.log").read_text(errors="replace")[-20_000:])
        return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
