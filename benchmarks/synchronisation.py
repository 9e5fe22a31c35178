"""Images brought from one place to another: inside a store, and across services beside skopeo.

python -m benchmarks.synchronisation --page benchmarks/RESULTS-synchronisation.md

Two services of this kind, each on a data folder of its own, on one machine. Whoever copies is one process of its own.
Every copy is of an image that the target has nothing of, and each begins once in three rounds.
"""

import argparse
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.acceleration_service import ACCOUNT, serving
from benchmarks.copy_once import registry_at
from benchmarks.sections import where, write_section
from benchmarks.subjects import PROJECT_FOLDER
from chalicelib.instances.service import Instances
from chalicelib.kernel import media
from chalicelib.kernel.names import Digest, NamespaceName
from chalicelib.kernel.settings import Settings
from chalicelib.namespaces.models import NewNamespace
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports.remote import RemoteRegistry
from chalicelib.ports.stack import open_stack

MIB: Final = 1024 * 1024
_GZIP: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
_FAR: Final = "far"
_TITLE: Final = "Synchronisation"
_WAYS: Final = ("skopeo", "ours, as a rule does it", "ours, both ends over HTTP")


@dataclass(frozen=True)
class Copied:
    """verdict: of ours. read: bytes that the process read by any call, 0 where it is not known."""

    wall_s: float
    cpu_s: float
    peak_bytes: int
    moved: int = 0
    read: int = 0
    verdict: str = "copied"


# Images


def push_image(registry: RemoteRegistry, repository: str, tag: str, layers: int, layer_mib: int) -> int:
    """Of bytes that nobody can make smaller, as gzip: skopeo compresses what is not. Answers how many."""
    config = json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
    described: list[dict[str, Any]] = []
    for _ in range(layers):
        data = gzip.compress(os.urandom(layer_mib * MIB), compresslevel=0, mtime=0)
        registry.put_blob(repository, Digest.of(data), [data], len(data))
        described.append({"mediaType": _GZIP, "digest": Digest.of(data), "size": len(data)})
    registry.put_blob(repository, Digest.of(config), [config], len(config))
    document = {
        "schemaVersion": 2,
        "mediaType": media.OCI_MANIFEST,
        "config": {"mediaType": media.OCI_CONFIG, "digest": Digest.of(config), "size": len(config)},
        "layers": described,
    }
    registry.push(repository, tag, media.OCI_MANIFEST, json.dumps(document).encode())
    return sum(int(layer["size"]) for layer in described) + len(config)


# Who copies


def ours(data: Path, source: dict[str, Any], target: dict[str, Any], tag: str) -> Copied:
    asked = json.dumps({"source": source, "target": target, "tag": tag})
    environment = {**os.environ, "CRS_DATA": str(data / "data")}
    command = [sys.executable, "-m", "benchmarks.copy_once", asked]
    done = subprocess.run(command, cwd=PROJECT_FOLDER, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr[-3000:])
    told = json.loads(done.stdout.splitlines()[-1])
    if told["verdict"] not in ("copied", "unchanged"):
        raise SystemExit(f"the copy ended as {told['verdict']}: {told['message']}")
    return Copied(told["wall_s"], told["cpu_s"], told["peak"], told["moved"], told["read"], told["verdict"])


def skopeo(data: Path, from_port: int, to_port: int, repository: str, copy: str, tag: str) -> Copied:
    """Its start included, which is a few hundredths of a second."""
    login = f"{ACCOUNT.username}:{ACCOUNT.password}"
    command = ["skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false"]
    command += ["--src-creds", login, "--dest-creds", login]
    command += [f"docker://127.0.0.1:{from_port}/{repository}:{tag}", f"docker://127.0.0.1:{to_port}/{copy}:{tag}"]
    # What it knows of blobs elsewhere is of its own folder, and this one is new.
    with tempfile.TemporaryDirectory(dir=data) as home:
        environment = {**os.environ, "HOME": home, "XDG_DATA_HOME": home}
        begun = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        _, status, used = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - begun
        if status != 0:
            raise SystemExit(process.stderr.read().decode()[-3000:] if process.stderr else "skopeo failed")
    return Copied(wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


# Sections


def inside(arguments: argparse.Namespace) -> str:
    """One service, one store."""
    with _services(arguments, 1) as (folder,):
        _open_far(folder)
        with registry_at(arguments.port) as registry:
            size = push_image(registry, "library/app", "v1", arguments.layers, arguments.layer_mib)
        with registry_at(arguments.port) as registry:
            push_image(registry, "library/small", "v1", 1, 1)
        rows = []
        for what, instance in (("to another namespace", "default"), ("to another instance", _FAR)):
            source = {"instance": "default", "repository": "library/app"}
            target = {"instance": instance, "repository": "shelf/app"}
            # What a process does once for all, such as opening the table, is no part of a copy.
            first, again = (ours(folder, source, target, "v1") for _ in range(2))
            rows.append(_inside_row(what, first))
            rows.append(_inside_row(f"{what}, once more", again))
        return _section(
            "1. Inside one store",
            folder,
            f"An image of {size / MIB:,.0f} MiB in {arguments.layers} layers.",
            ("", "verdict", "bytes moved", "bytes read by the process, files and sockets", "s"),
            rows,
        )


def _inside_row(what: str, copied: Copied) -> str:
    return f"| {what} | {copied.verdict} | {copied.moved} | {copied.read:,} | {copied.wall_s:.3f} |"


def across(arguments: argparse.Namespace) -> str:
    """From one service to another."""
    with _services(arguments, 2) as (here, there), registry_at(arguments.port) as registry:
        found: dict[str, list[Copied]] = {}
        size, repository = 0, ""
        for number in range(arguments.rounds):
            # Whoever is first would find a target that is not busy with what came before.
            for place, what in enumerate(_rotated(_WAYS, number)):
                repository = f"library/round-{number}-{place}"
                size = push_image(registry, repository, "v1", arguments.layers // 2, arguments.layer_mib)
                found.setdefault(what, []).append(_copied(arguments, here, there, what, repository))
        best = statistics.median(one.wall_s for one in found["skopeo"])
        rows = [_across_row(what, found[what], size, best) for what in _WAYS]
        rows += [_again_row(what, _copied(arguments, here, there, what, repository)) for what in _WAYS[1:]]
        text = (
            f"An image of {size / MIB:,.0f} MiB in {arguments.layers // 2} layers, {arguments.rounds} rounds, each of "
            "an image of its own; medians. *Of skopeo*: its speed is 100 %. Memory is the most that the copying "
            "process had, Python and modules included."
        )
        columns = ("who", "s", "MB/s", "of skopeo", "CPU s", "MiB of memory", "bytes moved")
        return _section("2. Across services, beside skopeo", here, text, columns, rows)


def _rotated(ways: Sequence[str], number: int) -> list[str]:
    by = number % len(ways)
    return [*ways[by:], *ways[:by]]


def _copied(arguments: argparse.Namespace, here: Path, there: Path, what: str, repository: str) -> Copied:
    """To the repository of the same name."""
    port, far = arguments.port, arguments.port + 1
    if what == "skopeo":
        return skopeo(there, port, far, repository, repository, "v1")
    local, elsewhere = ({"instance": "default"}, {"port": port})
    source = {**(local if what == _WAYS[1] else elsewhere), "repository": repository}
    return ours(here, source, {"port": far, "repository": repository}, "v1")


def _across_row(what: str, copies: list[Copied], size: int, skopeo_s: float) -> str:
    wall_s, cpu_s = (statistics.median(values) for values in ([c.wall_s for c in copies], [c.cpu_s for c in copies]))
    peak = max(one.peak_bytes for one in copies) / MIB
    moved = f"{copies[0].moved:,}" if copies[0].moved else ""
    return (
        f"| {what} | {wall_s:.2f} | {size / wall_s / 1e6:,.0f} | {skopeo_s / wall_s:.0%} | {cpu_s:.1f} | {peak:.0f} | "
        f"{moved} |"
    )


def _again_row(what: str, copied: Copied) -> str:
    peak = copied.peak_bytes / MIB
    return f"| {what}, once more | {copied.wall_s:.2f} | | | {copied.cpu_s:.1f} | {peak:.0f} | {copied.moved} |"


def _section(heading: str, folder: Path, text: str, columns: Sequence[str], rows: Sequence[str]) -> str:
    head = f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}"
    told = where("benchmarks.synchronisation", folder)
    return "\n".join([f"## {heading}", "", told, text, "", head, *rows, ""])


# Services


@contextmanager
def _services(arguments: argparse.Namespace, count: int) -> Iterator[list[Path]]:
    """Running, each with its folder."""
    folders = [Path(tempfile.mkdtemp(dir=arguments.data, prefix="crs-")) for _ in range(count)]
    try:
        with serving(folders[0], arguments.port):
            if count == 1:
                yield folders
                return
            with serving(folders[1], arguments.port + 1):
                yield folders
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def _open_far(folder: Path) -> None:
    """A second instance of the account, and a namespace to copy to in both."""
    with open_stack(Settings.model_validate({"data": folder / "data"})) as stack:
        instances = Instances(stack)
        here = instances.named("default", "default")
        far = instances.create(name=_FAR, edition="enterprise", bucket=here.bucket, account_id="default")
        for instance in (here, far):
            Namespaces(stack).create(instance, NewNamespace(name=NamespaceName("shelf")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=8, help="half as many across services")
    parser.add_argument("--layer-mib", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=7440)
    parser.add_argument("--data", default=tempfile.gettempdir())
    parser.add_argument("--only", choices=("inside", "across"))
    parser.add_argument("--page", type=Path)
    arguments = parser.parse_args()
    for name, measured in (("inside", inside), ("across", across)):
        if arguments.only in (None, name):
            text = measured(arguments)
            print(text)
            if arguments.page:
                write_section(arguments.page, _TITLE, text)


if __name__ == "__main__":
    main()
