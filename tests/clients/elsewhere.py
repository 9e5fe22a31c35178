"""A registry of other people's beside ours, and small images for both: those that travel."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.clients.conftest import Shell, Target, on_target, program
from tests.e2e.image import SmallImage, small_image
from tests.serving import free_port

INDEX = "application/vnd.oci.image.index.v1+json"
_START_TIMEOUT_S = 20


@contextmanager
def docker_registry(folder: Path) -> Iterator[Target]:
    """Debian's CNCF distribution, which wants a password."""
    username, password, port = "mover", secrets.token_hex(8), free_port()
    folder.mkdir(parents=True)
    users = subprocess.run(
        [program("htpasswd"), "-niB", username], input=password, capture_output=True, text=True, check=True
    )
    (folder / "users").write_text(users.stdout)
    settings = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}"},
        "auth": {"htpasswd": {"realm": "elsewhere", "path": str(folder / "users")}},
    }
    (folder / "config.yml").write_text(json.dumps(settings))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program("docker-registry"), "serve", folder / "config.yml"], stdout=log, stderr=log)
    try:
        _wait(f"http://127.0.0.1:{port}/v2/")
        with on_target(f"http://127.0.0.1:{port}", username, password) as found:
            found.registry.http.auth = httpx.BasicAuth(username, password)
            yield found
    finally:
        process.terminate()
        process.wait()


def _wait(url: str) -> None:
    until = time.monotonic() + _START_TIMEOUT_S
    while True:
        try:
            assert httpx.get(url, trust_env=False).status_code == 401
            return
        except httpx.TransportError:
            assert time.monotonic() < until, f"{url} does not answer"
            time.sleep(0.05)


@dataclass(frozen=True)
class Family:
    """One index of two images, for two platforms, with nothing in common with anybody else's."""

    layout: Path
    digest: str
    body: bytes
    images: tuple[SmallImage, ...]


def family(folder: Path) -> Family:
    images = tuple(small_image(folder.with_name(f"{folder.name}-{name}")) for name in ("amd64", "arm64"))
    for image in images:
        shutil.copytree(image.layout, folder, dirs_exist_ok=True)
    children = [
        {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": image.digest, "size": len(image.body),
         "platform": {"architecture": name, "os": "linux"}}
        for name, image in zip(("amd64", "arm64"), images, strict=True)
    ]  # fmt: skip
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": children}
    # As programs in Go write it: image-syncer writes every index anew, and another form would get another digest.
    body = json.dumps(document, separators=(",", ":")).encode()
    digest = _digest(body)
    (folder / "blobs" / "sha256" / digest.partition(":")[2]).write_bytes(body)
    top = {"mediaType": INDEX, "digest": digest, "size": len(body)}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
    return Family(folder, digest, body, images)


def _digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def give(shell: Shell, target: Target, layout: Path, name: str, *tags: str) -> None:
    """Pushes the layout's only image under these tags of the repository."""
    login = ("--dest-tls-verify=false", "--dest-creds", f"{target.username}:{target.password}")
    for tag in tags:
        shell.run("skopeo", "copy", "-q", "--all", *login, f"oci:{layout}", f"docker://{target.host}/{name}:{tag}")


def digests(target: Target, name: str) -> dict[str, str]:
    """Tags of the repository and what they point to; none where there is no such repository."""
    http = target.registry.http
    listed = http.get(f"/v2/{name}/tags/list")
    if listed.status_code == 404:
        return {}
    kinds = {"Accept": f"{INDEX}, application/vnd.oci.image.manifest.v1+json"}
    return {
        tag: http.head(f"/v2/{name}/manifests/{tag}", headers=kinds).headers["Docker-Content-Digest"]
        for tag in listed.json()["tags"] or ()
    }


def assert_all_there(target: Target, name: str, *images: SmallImage) -> None:
    """Each manifest byte for byte, each blob in full."""
    http = target.registry.http
    for image in images:
        kind = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
        assert http.get(f"/v2/{name}/manifests/{image.digest}", headers=kind).content == image.body
        for blob in image.blobs:
            found = http.get(f"/v2/{name}/blobs/{blob}")
            assert (found.status_code, _digest(found.content)) == (200, blob)
