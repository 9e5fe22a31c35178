"""The engine `trivy`: that program, on an OCI layout of the image, with the service's own database and nothing else.

    folder/image     layers and config by their digests, linked or copied      folder/cache/db   the database, linked
    folder/report    what it writes: bounded                                   all of it goes when the scan is over

It is given no credentials, no proxy that leads anywhere, and an end: a program that reads strangers' archives is
trusted with nothing.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from chalicelib.advisories.database import DATABASE_FILE, METADATA_FILE
from chalicelib.edge.log import logger
from chalicelib.instances.models import Instance
from chalicelib.kernel import media
from chalicelib.kernel.errors import Invalid
from chalicelib.kernel.names import Digest
from chalicelib.layers.entries import MIB
from chalicelib.ports.objects import Reading
from chalicelib.ports.stack import Stack
from chalicelib.registry.bodies import Bodies
from chalicelib.surveys.models import ImageLayers, ImageRefused

from . import databases
from .engines import EngineFailed, Standard, standard_of, unjudged
from .models import Report
from .results import judged
from .trivy_report import read_report

TIMEOUT_S: Final = 170
# It is asked to end by itself first.
_KILLED_AFTER_S: Final = TIMEOUT_S + 15
# Of both cores, all that time.
_PROCESSOR_S: Final = 2 * TIMEOUT_S
_MEMORY: Final = "1GiB"
# Of any file it writes: layers unpacked one at a time, and the report.
_FILE_BYTES: Final = 16 * 1024 * MIB
_REPORT_BYTES: Final = 256 * MIB
_LAYOUT: Final = {"imageLayoutVersion": "1.0.0"}
# Nobody listens there: whatever it would fetch, it does not get.
_NOWHERE: Final = "http://127.0.0.1:9"
_MOST_TOLD: Final = 500


class Trivy:
    """It reads a whole image in one step."""

    by_layer = False

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._bodies = Bodies(stack)

    def standard(self) -> Standard:
        return standard_of(self._stack, f"trivy {self._version()}".strip())

    def report(self, instance: Instance, image: ImageLayers) -> Report:
        """Raises EngineFailed with what it said, ImageRefused."""
        from chalicelib.findings.vex import silencers

        program = self._program()
        database = databases.folder(self._stack)
        if database is None:
            raise EngineFailed("there is no vulnerability database yet; import one first")
        standard = self.standard()
        with databases.scratch(self._stack) as folder:
            _link_database(database, folder / "cache" / "db")
            self._lay_out(instance, image, folder / "image")
            document = _run(program, folder)
        try:
            inventory, examination = read_report(document)
        except Invalid as refused:
            raise EngineFailed(f"trivy's report {refused.message}") from refused
        silencing, now = silencers(self._stack, instance.id), self._stack.clock.now()
        return judged(unjudged(image, inventory), examination, silencers=silencing, now=now, **standard._asdict())

    def _program(self) -> str:
        found = shutil.which(self._stack.settings.trivy)
        if found is None:
            missing = f"there is no program {self._stack.settings.trivy}: install trivy, or leave CRS_SCANNER unset"
            raise EngineFailed(missing)
        return found

    def _version(self) -> str:
        """ "" where it is not there; then each report fails with that."""
        return self._stack.keep("trivy version", lambda: _version_of(shutil.which(self._stack.settings.trivy)))

    def _lay_out(self, instance: Instance, image: ImageLayers, folder: Path) -> None:
        config = json.dumps(dict(image.config)).encode()
        layers = []
        for layer in image.layers:
            path = _blob(folder, layer.digest)
            if not path.exists():
                reading = self._bodies.reading(instance.id, layer.digest)
                if reading is None:
                    raise ImageRefused("missing_layer", f"layer {layer.digest} is not here")
                _place(reading, path)
            layers.append({"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size})
        described = {"mediaType": media.OCI_CONFIG, **_written(folder, config)}
        manifest = {"schemaVersion": 2, "mediaType": media.OCI_MANIFEST, "config": described, "layers": layers}
        whole = {"mediaType": media.OCI_MANIFEST, **_written(folder, json.dumps(manifest).encode())}
        index = {"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": [whole]}
        (folder / "index.json").write_text(json.dumps(index))
        (folder / "oci-layout").write_text(json.dumps(_LAYOUT))


def _run(program: str, folder: Path) -> Mapping[str, Any]:
    report, home = folder / "report", folder / "home"
    home.mkdir()
    arguments = [
        *("image", "--input", str(folder / "image"), "--cache-dir", str(folder / "cache"), "--output", str(report)),
        *("--format", "json", "--list-all-pkgs", "--scanners", "vuln", "--timeout", f"{TIMEOUT_S}s", "--quiet"),
        *("--skip-db-update", "--skip-java-db-update", "--offline-scan", "--skip-version-check"),
        *("--disable-telemetry", "--cache-backend", "memory"),
    ]
    try:
        ended = subprocess.run(  # noqa: S603 (the program that the operator named, and arguments of our own)
            [program, *arguments],
            env=_environment(home),
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_KILLED_AFTER_S,
            preexec_fn=_bound,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise EngineFailed(f"trivy did not come to an end within {TIMEOUT_S} s") from late
    except OSError as failed:
        raise EngineFailed(f"trivy could not be started: {failed.strerror}") from failed
    if ended.returncode != 0:
        told = ended.stderr.decode(errors="replace").strip()[-_MOST_TOLD:]
        logger.warning("trivy ended badly", exit_code=ended.returncode)
        raise EngineFailed(f"trivy ended with {ended.returncode}: {told.replace(str(folder), '')}")
    if not report.is_file() or report.stat().st_size > _REPORT_BYTES:
        raise EngineFailed("trivy wrote no report, or one that is too large")
    document: Mapping[str, Any] = json.loads(report.read_bytes())
    return document


def _environment(home: Path) -> dict[str, str]:
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), _NOWHERE)
    return {"PATH": os.defpath, "HOME": str(home), "TMPDIR": str(home), "GOMEMLIMIT": _MEMORY, **proxies}


def _bound() -> None:
    """Of the child, before the program begins."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_BYTES, _FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (_PROCESSOR_S, _PROCESSOR_S))


def _version_of(program: str | None) -> str:
    if program is None:
        return ""
    try:
        told = subprocess.run(  # noqa: S603 (as above)
            [program, "--version"], capture_output=True, text=True, timeout=30, check=False, env={"PATH": os.defpath}
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = [line.partition(":")[2].strip() for line in told.splitlines() if line.startswith("Version:")]
    return lines[0] if lines else ""


def _link_database(source: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in (DATABASE_FILE, METADATA_FILE):
        try:
            os.link(source / name, folder / name)
        except OSError:  # Another disk.
            shutil.copyfile(source / name, folder / name)


def _blob(folder: Path, digest: str) -> Path:
    algorithm, _, encoded = digest.partition(":")
    path = folder / "blobs" / algorithm / encoded
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _place(reading: Reading, path: Path) -> None:
    """A second name of the same file where the store is this machine's disk, else a copy."""
    try:
        if reading.descriptor is not None:
            try:
                os.link(f"/proc/self/fd/{reading.descriptor}", path, follow_symlinks=True)
            except OSError:  # Another disk, or a system without /proc.
                path.unlink(missing_ok=True)
            else:
                return
        with path.open("xb") as file:
            for piece in reading.chunks():
                file.write(piece)
    finally:
        reading.close()


def _written(folder: Path, data: bytes) -> dict[str, Any]:
    digest = Digest.of(data)
    _blob(folder, digest).write_bytes(data)
    return {"digest": digest, "size": len(data)}
