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
from dataclasses import dataclass
from pathlib import Path

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .emulators import ROOT, aws_emulator, clean_environment, free_port

PASSWORD = "correct-horse-battery-42"
SPARSE_NAMESPACE = "sparse"
_START_S = 60.0
# Prints the id of the instance that it makes: the host name `127.0.0.1` names none on AWS, so a port has to.
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
    """A gateway process, and the environment in which it and the command line see the same stores."""

    url: str
    environment: dict[str, str]
    pid: int
    username: str = "admin"
    password: str = PASSWORD


@contextmanager
def serving_on_aws(folder: Path) -> Iterator[AwsService]:
    """folder   keeps the engines' files and every log; nothing of the registry's is in it."""
    port = free_port()
    with aws_emulator(folder) as emulated:
        environment = clean_environment() | emulated
        environment |= {"CRS_DATA": str(folder / "data"), "CRS_PORT": str(port), "CRS_ADMIN_PASSWORD": PASSWORD}
        environment |= {"CRS_SIGNING_KEY": signing_key(), "CRS_SECRET_KEY": secrets.token_urlsafe(32)}
        opened = subprocess.run(
            [sys.executable, "-c", _OPEN], cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
        environment["CRS_INSTANCE_PORTS"] = f"{opened.stdout.split()[-1]}={port}"
        command = [sys.executable, "-m", "uvicorn", "gateway:app", "--factory", "--port", str(port), "--no-access-log"]
        with (folder / "gateway.log").open("wb") as log:
            gateway = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            _wait_for(gateway, f"http://127.0.0.1:{port}", folder / "gateway.log")
            yield AwsService(f"http://127.0.0.1:{port}", environment, gateway.pid)
        finally:
            gateway.terminate()
            gateway.wait(30)


def signing_key() -> str:
    """A key of this run's own, as PEM."""
    made = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PrivateFormat.PKCS8
    return made.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def _wait_for(gateway: subprocess.Popen[bytes], url: str, log: Path) -> None:
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
