"""Scans through the running service: an image pushed, the database imported, and what each scan took."""

import gzip
import hashlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.api import ask
from benchmarks.process import Launch, Server
from benchmarks.pushing import Pusher
from benchmarks.scanning_image import blob_path, manifest_of
from benchmarks.subjects import PROJECT_FOLDER, Account
from benchmarks.target import Gate, open_target

_PASSWORD = "correct-horse-battery-42"
_SCANNER = b"chalicelib.host.scanner"
_LONGEST_S = 600.0


@dataclass(frozen=True)
class Scan:
    name: str
    wall_s: float
    layer_bytes: int


@dataclass(frozen=True)
class ScanTimes:
    """memory: of one of the processes that read layers, at most."""

    scans: list[Scan]
    memory: int
    findings: str


def through_the_service(folder: Path, port: int, image: Path, database: Path, further: bytes) -> ScanTimes:
    """further: a layer for the third scan."""
    data = folder / "data"
    settings = {"CRS_PORT": str(port), "CRS_DATA": str(data), "CRS_ADMIN_PASSWORD": _PASSWORD}
    crs = (sys.executable, "-m", "chalicelib.cli")
    launch = Launch((*crs, "serve"), settings, folder=PROJECT_FOLDER)
    with Server(launch, f"http://127.0.0.1:{port}/readyz", folder / "log"):
        subprocess.run(
            [*crs, "vulndb", "import", str(database)], env={**os.environ, **settings}, cwd=PROJECT_FOLDER, check=True
        )
        service = _Service(port, folder / "data")
        service.push_image(image, "v1")
        scans = [service.scan("the image, pushed just now", "v1"), service.scan("the same again", "v1")]
        findings = service.told("v1")
        service.push_manifest("v2", json.dumps(_with(service, folder, image, further)).encode())
        scans.append(service.scan("the same with a small layer more", "v2"))
        return ScanTimes(scans, service.memory, findings)


def _with(service: "_Service", folder: Path, image: Path, further: bytes) -> dict[str, Any]:
    """The image's manifest with one layer more."""
    _, manifest = manifest_of(image)
    config = json.loads(blob_path(image, manifest["config"]["digest"]).read_bytes())
    config["rootfs"]["diff_ids"].append(f"sha256:{hashlib.sha256(gzip.decompress(further)).hexdigest()}")
    kind = "application/vnd.oci.image.layer.v1.tar+gzip"
    described = []
    for content in (further, json.dumps(config).encode()):
        file = folder / "blob"
        file.write_bytes(content)
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        service.push_blob(digest, file)
        described.append({"digest": digest, "size": len(content)})
    layers = [*manifest["layers"], {"mediaType": kind, **described[0]}]
    return {**manifest, "layers": layers, "config": {**manifest["config"], **described[1]}}


class _Service(Pusher):
    def __init__(self, port: int, data: Path) -> None:
        self._port = port
        self._data = str(data).encode()
        super().__init__(open_target(port, Gate(port, Account("admin", _PASSWORD)), "large"))
        self._token = ask(port, "POST", "/session", body={"username": "admin", "password": _PASSWORD})["token"]
        instance = ask(port, "GET", "/instances/default", self._token)["id"]
        self._instance = f"/instances/{instance}"
        self.memory = 0

    def scan(self, name: str, tag: str) -> Scan:
        """From asking for it to its end, as somebody sees it who looks ten times a second."""
        place = f"{self._instance}/namespaces/library/repositories/large/tags/{tag}/scan"
        began = time.perf_counter()
        task = ask(self._port, "POST", place, self._token, {})["id"]
        while time.perf_counter() - began < _LONGEST_S:
            told = ask(self._port, "GET", f"{self._instance}/tasks/{task}", self._token)
            self._look_at_memory()
            if told["state"] in ("succeeded", "failed", "cancelled"):
                wall_s = time.perf_counter() - began
                if told["state"] != "succeeded":
                    raise SystemExit(f"the scan ended as {told['state']}: {told['error']}")
                return Scan(name, wall_s, told["progress"]["bytes"])
            time.sleep(0.1)
        raise SystemExit(f"the scan of {tag} is not over after {_LONGEST_S:.0f} s")

    def told(self, tag: str) -> str:
        place = f"{self._instance}/namespaces/library/repositories/large/tags/{tag}/scan"
        found: dict[str, Any] = ask(self._port, "GET", place, self._token)
        counts = ", ".join(f"{name} {found[name]:,}" for name in ("critical", "high", "medium", "low") if found[name])
        return f"{found['state']}{', ' + found['reason'] if found['reason'] else ''}: {counts}"

    def _look_at_memory(self) -> None:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if _SCANNER in (process / "cmdline").read_bytes() and self._data in (process / "environ").read_bytes():
                    status = (process / "status").read_text().splitlines()
                    peaks = [int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM")]
                    self.memory = max(self.memory, *peaks, 0)
            except OSError:  # it has ended
                continue
