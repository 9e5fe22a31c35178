"""A running service with a namespace that accelerates what is pushed into it, and what is looked at of the outcome.

with accelerating(service) as place:
    place.push(shell, odd, "v1", repository)      as a client pushes it
    place.companion(repository, "v1")             waits for it; its digest
platforms(repository, digest)                     architecture → its layers, as config and manifest tell of them
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.clients.accelerated.odd_image import OddImage
from tests.clients.conftest import Shell, Target, on_target, remote_digest
from tests.conformance.client import Repository
from tests.conformance.content import DOCKER_CONFIG, DOCKER_IMAGE, DOCKER_LAYER
from tests.serving import Service

TOC_DIGEST = "containerd.io/snapshot/stargz/toc.digest"
UNCOMPRESSED_SIZE = "io.containers.estargz.uncompressed-size"
SUFFIX = "-accelerated"
NAMESPACE = "fast"
_TIMEOUT_S = 120


@dataclass(frozen=True)
class Layer:
    """Of an accelerated image. toc_digest, uncompressed_bytes: what its annotations say."""

    digest: str
    media_type: str
    diff_id: str
    toc_digest: str
    uncompressed_bytes: int


@dataclass(frozen=True)
class Place:
    """The namespace. api: of the instance, as its owner."""

    target: Target
    api: httpx.Client

    def repository(self, name: str) -> Repository:
        return Repository(self.target.registry, f"{NAMESPACE}/{name}")

    def make(self, name: str, files: Sequence[str]) -> Repository:
        """A repository whose images need those files first."""
        repository = self.repository(name)
        made = self.api.post(f"/namespaces/{NAMESPACE}/repositories", json={"name": name})
        assert made.status_code == 201, made.text
        told = self.api.put(f"{self._path(repository)}/first-files", json={"files": list(files)})
        assert told.status_code == 200, told.text
        return repository

    def push(self, shell: Shell, image: OddImage, tag: str, repository: Repository) -> None:
        """By oras, which sends every blob as it is. skopeo puts in its place what it saw elsewhere with other
        compression, if it takes both for the same."""
        login = ("--to-username", self.target.username, "--to-password", self.target.password)
        shell.run("oras", "cp", "--from-oci-layout", "--to-plain-http", *login, image.reference(tag),
                  self.target.name(repository, tag))  # fmt: skip

    def companion(self, repository: Repository, tag: str) -> str:
        """The digest of what the tag was converted to, once it is there."""
        begun, told = time.monotonic(), {"state": "none"}
        while told["state"] != "succeeded":
            late = time.monotonic() - begun > _TIMEOUT_S
            assert told["state"] != "failed" and not late, f"{repository.name}:{tag} is not accelerated: {told}"
            time.sleep(0.1)
            answer = self.api.get(f"{self._path(repository)}/tags/{tag}")
            assert answer.status_code == 200, answer.text
            told = answer.json()["acceleration"]
        return remote_digest(repository, f"{tag}{SUFFIX}")

    def accelerate(self, repository: Repository, tag: str) -> str:
        """Asks for a conversion, and waits for it; the companion's digest."""
        path = f"{self._path(repository)}/tags/{tag}/accelerate"
        asked = self.api.post(path)
        assert asked.status_code == 202, asked.text
        return self.companion(repository, tag)

    def sent_bytes(self) -> int:
        """Of blobs, since the service began, as it counts them itself."""
        text = httpx.get(f"http://{self.target.host}/metrics", trust_env=False).text
        return sum(int(float(line.rpartition(" ")[2])) for line in text.splitlines() if line.startswith(_SENT))

    def _path(self, repository: Repository) -> str:
        return "/namespaces/{}/repositories/{}".format(*repository.name.split("/", 1))


_SENT = 'registry_sent_bytes_total{method="GET",route="blob"}'


@contextmanager
def accelerating(service: Service) -> Iterator[Place]:
    with on_target(service.url, service.username, service.password) as target:
        api = f"{service.url}/api/v1"
        person = {"username": service.username, "password": service.password}
        token = httpx.post(f"{api}/session", json=person, trust_env=False).json()["token"]
        signed_in = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=f"{api}/instances/default", headers=signed_in, trust_env=False) as of_instance:
            namespace = {"name": NAMESPACE, "auto_create_repository": True, "acceleration": True}
            made = of_instance.post("/namespaces", json=namespace)
            assert made.status_code == 201, made.text
            yield Place(target, of_instance)


def as_docker(repository: Repository, source: str, tag: str) -> None:
    """Tags the image at `source`, all of whose layers are gzip, as one of Docker schema 2."""
    manifest: dict[str, Any] = repository.manifest("GET", source).json()
    manifest["mediaType"] = DOCKER_IMAGE
    manifest["config"]["mediaType"] = DOCKER_CONFIG
    for layer in manifest["layers"]:
        layer["mediaType"] = DOCKER_LAYER
    del manifest["annotations"]
    answer = repository.put_body(httpx.Request("PUT", "/", json=manifest).content, tag, DOCKER_IMAGE)
    assert answer.status_code == 201, answer.text


def platforms(repository: Repository, digest: str) -> dict[str, list[Layer]]:
    top = repository.manifest("GET", digest).json()
    children = [child["digest"] for child in top["manifests"]] if "manifests" in top else [digest]
    found = {}
    for child in children:
        manifest = repository.manifest("GET", child).json()
        config = repository.blob("GET", manifest["config"]["digest"]).json()
        diff_ids = config["rootfs"]["diff_ids"]
        assert len(diff_ids) == len(manifest["layers"]) == len(config["history"])
        found[config["architecture"]] = [
            _layer(layer, diff_id) for layer, diff_id in zip(manifest["layers"], diff_ids, strict=True)
        ]
    return found


def _layer(descriptor: dict[str, Any], diff_id: str) -> Layer:
    annotations = descriptor["annotations"]
    return Layer(
        digest=descriptor["digest"],
        media_type=descriptor["mediaType"],
        diff_id=diff_id,
        toc_digest=annotations[TOC_DIGEST],
        uncompressed_bytes=int(annotations[UNCOMPRESSED_SIZE]),
    )
