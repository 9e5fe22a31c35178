"""Images that answer a request: a small Python service, a Node service, and a large one. Made once, as root.

    python   Debian, python3 │ Flask, NumPy and what they need from the package index │ the program
    node     Debian, nodejs  │ Express and what it needs                              │ the program
    large    the six layers of `benchmarks.scanning_image`                            │ a program on pandas and SciPy

Each program listens on $PORT, answers one request and ends. The trees stay beside the images: a working set is traced
in them (`benchmarks.working_set`).
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from benchmarks.scanning_image import TREE, manifest_of, pack_layer, write_image, write_index

TOOLS = Path(os.environ.get("CRS_TOOLS") or Path.home() / ".cache" / "crs-tools")
_KEPT = TOOLS / "services"
_DEBIAN = TOOLS / "trees" / "bookworm-amd64"
_LARGE = TOOLS / "scanning" / "image"
_PROGRAM = "srv/app"
# What a Dockerfile would have removed, or a runtime mounts.
_NOT_KEPT = ("proc", "sys", "dev", "tmp", "run", "var/cache/apt", "var/lib/apt/lists", "var/log")

_FLASK = """\
import os
import numpy
from flask import Flask
from werkzeug.serving import make_server

app = Flask(__name__)

@app.get("/")
def answer():
    return {"sum": float(numpy.linalg.norm(numpy.arange(10.0)))}

server = make_server("127.0.0.1", int(os.environ["PORT"]), app)
print("listening", flush=True)
server.handle_request()
os._exit(0)
"""
_EXPRESS = """\
const express = require("express");
const app = express();
app.get("/", (request, response) => {
  response.json({ sum: [1, 2, 3].reduce((a, b) => a + b) });
  response.on("finish", () => process.exit(0));
});
app.listen(Number(process.env.PORT), "127.0.0.1", () => console.log("listening"));
"""
_PANDAS = """\
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
import pandas
from scipy import stats

class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        frame = pandas.DataFrame({"a": range(10), "b": range(10, 20)})
        body = str(stats.pearsonr(frame["a"], frame["b"])).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

server = HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answer)
print("listening", flush=True)
server.handle_request()
os._exit(0)
"""


@dataclass(frozen=True)
class Service:
    """packages: of Debian; program: file name, text"""

    name: str
    title: str
    packages: tuple[str, ...]
    program: tuple[str, str]
    entrypoint: tuple[str, ...]
    wheels: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def layout(self) -> Path:
        return _KEPT / self.name / "image"

    @property
    def trees(self) -> tuple[Path, ...]:
        """The image's files, upmost first."""
        beneath = TREE if self.name == "large" else _KEPT / self.name / "tree"
        return _KEPT / self.name / "program", beneath


_PYTHON = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
SERVICES = (
    Service(
        "python",
        "Python service: Flask, NumPy",
        ("python3-minimal", "python3"),
        ("main.py", _FLASK),
        ("python3", "/srv/app/main.py"),
        wheels=("flask==3.1.2", "numpy==2.2.6"),
        environment={**_PYTHON, "PYTHONPATH": "/srv/lib"},
    ),
    Service(
        "node",
        "Node service: Express",
        ("nodejs",),
        ("main.js", _EXPRESS),
        ("node", "/srv/app/main.js"),
        modules=("express@4.21.2",),
        environment={"NODE_PATH": "/srv/node_modules"},
    ),
    Service(
        "large",
        "large image: pandas, SciPy",
        (),
        ("main.py", _PANDAS),
        ("python3", "/srv/app/main.py"),
        (),
        (),
        _PYTHON,
    ),
)


def ready(service: Service) -> bool:
    """Makes the image unless it is there. Whether there is one: the large needs a tree that somebody filled."""
    if (service.layout / "index.json").is_file():
        return True
    if service.name == "large" and not TREE.is_dir():
        return False
    print(f"making the image {service.name}", file=sys.stderr)
    blobs = service.layout / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    program = service.trees[0]
    _write_program(service, program)
    layers = _large_layers(blobs) if service.name == "large" else _built_layers(service, blobs)
    layers.append(pack_layer(program, blobs, ["."], "gzip"))
    write_index(service.layout, layers, _config(service))
    return True


def _config(service: Service) -> dict[str, Any]:
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    environment = [f"{name}={value}" for name, value in {"PATH": path, **service.environment}.items()]
    return {"Env": environment, "Entrypoint": list(service.entrypoint), "WorkingDir": "/srv/app"}


def _write_program(service: Service, folder: Path) -> None:
    name, text = service.program
    place = folder / _PROGRAM
    place.mkdir(parents=True, exist_ok=True)
    (place / name).write_text(text)


def _large_layers(blobs: Path) -> list[dict[str, Any]]:
    """Those of the large image, whose files stand in both layouts."""
    if not (_LARGE / "index.json").is_file():
        write_image(TREE, _LARGE)
    manifest = manifest_of(_LARGE)[1]
    config = json.loads((_LARGE / "blobs" / manifest["config"]["digest"].replace(":", "/")).read_text())
    for layer in manifest["layers"]:
        kept = blobs / layer["digest"].partition(":")[2]
        kept.unlink(missing_ok=True)
        kept.hardlink_to(_LARGE / "blobs" / layer["digest"].replace(":", "/"))
    return [
        {**layer, "diff_id": diff_id}
        for layer, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True)
    ]


def _built_layers(service: Service, blobs: Path) -> list[dict[str, Any]]:
    """A layer of Debian, one of its packages, one of the language's."""
    tree = service.trees[1]
    shutil.rmtree(tree, ignore_errors=True)
    if not _DEBIAN.is_dir():
        raise SystemExit(f"{_DEBIAN} is missing: .ci/install-clients makes it")
    subprocess.run(["cp", "-a", _DEBIAN, tree], check=True)
    layers, before = [], dict[str, tuple[int, ...]]()
    for install in (None, _install_packages, _install_modules):
        if install is not None:
            install(tree, service)
        after = _walked(tree)
        changed = [path for path, state in after.items() if before.get(path) != state]
        above = {str(parent) for path in changed for parent in PurePath(path).parents[:-1]}
        written = sorted({*(path.removeprefix("./") for path in changed), *above})
        layers.append(pack_layer(tree, blobs, written, "gzip", recursive=False))
        before = after
    return layers


def _install_packages(tree: Path, service: Service) -> None:
    shutil.copyfile("/etc/resolv.conf", tree / "etc" / "resolv.conf")
    environment = {"DEBIAN_FRONTEND": "noninteractive", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    install = ["apt-get", "install", "--no-install-recommends", "--yes", *service.packages]
    for command in (["apt-get", "update"], install, ["apt-get", "clean"]):
        subprocess.run(["chroot", tree, *command], env=environment, check=True, stdout=sys.stderr)
    (tree / "etc" / "resolv.conf").unlink()


def _install_modules(tree: Path, service: Service) -> None:
    """By this machine's own tools; the target is Python 3.11, or any Node, on glibc."""
    if service.wheels:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(tree / "srv" / "lib")]
        suited = ["--python-version=3.11", "--platform=manylinux2014_x86_64", "--only-binary=:all:"]
        subprocess.run([*pip, *suited, *service.wheels], check=True, stdout=sys.stderr)
        compiled = ["-m", "compileall", "-q", "/srv/lib"]
        subprocess.run(["chroot", tree, "python3", *compiled], check=True, stdout=sys.stderr)
    if service.modules:
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(tree / "srv"), *service.modules]
        subprocess.run(command, check=True, stdout=sys.stderr)


def _walked(tree: Path) -> dict[str, tuple[int, ...]]:
    """What of each path changes when it is written, without what no image holds."""
    found: dict[str, tuple[int, ...]] = {}
    for folder, folders, files in os.walk(tree):
        inside = os.path.relpath(folder, tree)
        for name in (*folders, *files):
            path = os.path.normpath(os.path.join(inside, name))
            told = os.lstat(os.path.join(folder, name))
            found[f"./{path}"] = (told.st_mode, told.st_uid, told.st_size, told.st_mtime_ns, told.st_ino)
        folders[:] = [name for name in folders if os.path.normpath(os.path.join(inside, name)) not in _NOT_KEPT]
    return found
