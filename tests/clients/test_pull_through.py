"""X7: real clients pull through a cache from the registries that people run, by name and as a mirror, and go on while
the upstream is down."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from benchmarks.process import Server
from benchmarks.subjects import Subject
from chalicelib.kernel import media
from chalicelib.kernel.names import Digest
from chalicelib.ports.outbound import Outbound
from chalicelib.ports.remote import RemoteRegistry
from chalicelib.ports.remote_login import Login
from chalicelib.ports.remote_reference import RemoteReference
from tests.clients.conftest import Shell
from tests.clients.daemons import containerd
from tests.lacking import needed, subjects
from tests.registry.images import descriptor
from tests.serving import Service, free_port, serving

pytestmark = pytest.mark.clients
NAME = "library/app"
# As long as a client may take, and a cache to be filled: it begins ten seconds after the first pull.
FILLED_S = 60.0


@dataclass
class There:
    """The upstream, on a folder of its own: it can be ended and begun again."""

    subject: Subject
    folder: Path
    port: int

    @contextmanager
    def running(self) -> Iterator[RemoteRegistry]:
        launch = self.subject.launch(self.folder, self.port)
        account = self.subject.account
        login = Login(account.username, account.password) if account else None
        ready = f"http://127.0.0.1:{self.port}{self.subject.ready_path}"
        with Server(launch, ready, self.folder.with_suffix(".log")):
            reference = RemoteReference.parse(f"127.0.0.1:{self.port}/x")
            with RemoteRegistry(reference, Outbound(allow_private=True), login=login) as remote:
                yield remote


@pytest.fixture(params=subjects(), ids=lambda one: str(one.key))
def there(request: pytest.FixtureRequest, tmp_path: Path) -> There:
    subject: Subject = request.param
    needed(subject)
    (tmp_path / "there").mkdir()
    return There(subject, tmp_path / "there", free_port())


def put_image(remote: RemoteRegistry, tag: str, seed: int) -> str:
    """An index of one image that can be unpacked, with a layer of two megabytes. The digest of the index."""
    tree = io.BytesIO()
    with tarfile.open(fileobj=tree, mode="w") as archive:
        data = random.Random(seed).randbytes(2_000_000)
        entry = tarfile.TarInfo("data")
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    layer = gzip.compress(tree.getvalue(), mtime=0)
    config = json.dumps(
        {
            "os": "linux",
            "architecture": "amd64",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [Digest.of(tree.getvalue())]},
        }
    ).encode()
    for blob in (config, layer):
        remote.put_blob(NAME, Digest.of(blob), [blob], len(blob))
    image = {
        "schemaVersion": 2,
        "mediaType": media.OCI_MANIFEST,
        "config": descriptor(config, media.OCI_CONFIG),
        "layers": [descriptor(layer, "application/vnd.oci.image.layer.v1.tar+gzip")],
    }
    body = json.dumps(image).encode()
    remote.push(NAME, Digest.of(body), media.OCI_MANIFEST, body)
    platform = {"platform": {"os": "linux", "architecture": "amd64"}}
    index = {
        "schemaVersion": 2,
        "mediaType": media.OCI_INDEX,
        "manifests": [{**descriptor(body, media.OCI_MANIFEST), **platform}],
    }
    document = json.dumps(index).encode()
    return str(remote.push(NAME, tag, media.OCI_INDEX, document))


def make_cache(service: Service, there: There) -> None:
    """Namespace `hub`, public, whose tags are asked for after a second."""
    api = f"{service.url}/api/v1"
    with httpx.Client(trust_env=False) as http:
        person = {"username": service.username, "password": service.password}
        token = http.post(f"{api}/session", json=person).json()["token"]
        http.headers["Authorization"] = f"Bearer {token}"
        made = {"name": "hub", "default_visibility": "public"}
        assert http.post(f"{api}/instances/default/namespaces", json=made).status_code == 201
        cache = {"namespace": "hub", "upstream": f"127.0.0.1:{there.port}", "ttl_seconds": 1}
        account = there.subject.account
        login = {"username": account.username, "password": account.password} if account else {}
        answer = http.post(f"{api}/instances/default/caches", json={**cache, **login})
        assert answer.status_code == 201, answer.text


def wait_until_here(service: Service, digest: str) -> None:
    """Until the service holds the tag itself, and the image that it leads to."""
    with httpx.Client(trust_env=False) as http:
        until = time.monotonic() + FILLED_S
        while time.monotonic() < until:
            names = http.get(f"{service.url}/v2/hub/{NAME}/tags/list").json().get("tags") or []
            head = http.head(f"{service.url}/v2/hub/{NAME}/manifests/v1")
            if "v1" in names and head.headers.get("docker-content-digest") == digest and _is_filled(service):
                return
            time.sleep(0.5)
    raise AssertionError("the cache was not filled")


def _is_filled(service: Service) -> bool:
    """The index was brought here, and its image."""
    return service.log.read_text(errors="replace").count('"cache filled"') >= 2


def digest_by_crane(shell: Shell, service: Service) -> str:
    return shell.run("crane", "digest", "--insecure", f"{service.host}/hub/{NAME}:v1").strip()


def copied(shell: Shell, source: str, folder: str, *more: str) -> str:
    """The digest of what skopeo copied into a folder, with all of it."""
    shell.run("skopeo", *more, "copy", "--all", "--src-tls-verify=false", f"docker://{source}", f"oci:{folder}:v1")
    index = json.loads((shell.home / folder / "index.json").read_text())
    return str(index["manifests"][0]["digest"])


def mirrored(shell: Shell, service: Service) -> tuple[Path, Path]:
    """How podman, skopeo and containerd are told to pull `registry.example` through the cache."""
    conf = shell.home / "registries.conf"
    conf.write_text(
        f'[[registry]]\nprefix = "registry.example"\nlocation = "registry.example"\n'
        f'[[registry.mirror]]\nlocation = "{service.host}/hub"\ninsecure = true\n'
    )
    hosts = shell.home / "certs.d" / "registry.example"
    hosts.mkdir(parents=True)
    (hosts / "hosts.toml").write_text(
        f'server = "http://127.0.0.1:1"\n[host."{service.url}/v2/hub"]\n'
        f'  capabilities = ["pull", "resolve"]\n  override_path = true\n'
    )
    return conf, hosts.parent


def test_clients_pull_through_and_go_on_without_the_upstream(there: There, shell: Shell, tmp_path: Path) -> None:
    """X7: by name and as a mirror; first through, then from here; then the upstream is back, with another image."""
    with serving(tmp_path / "data", CRS_ALLOW_PRIVATE_ADDRESSES="true", CRS_ACCESS_LOG="false") as service:
        make_cache(service, there)
        conf, hosts = mirrored(shell, service)
        with there.running() as remote:
            first = put_image(remote, "v1", 1)
            assert digest_by_crane(shell, service) == first
            assert copied(shell, f"{service.host}/hub/{NAME}:v1", "one") == first
            wait_until_here(service, first)
        time.sleep(1.1)
        assert digest_by_crane(shell, service) == first
        shell.run("crane", "pull", "--insecure", f"{service.host}/hub/{NAME}:v1", "image.tar")
        assert copied(shell, f"registry.example/{NAME}:v1", "two", "--registries-conf", str(conf)) == first
        with containerd(shell) as socket:
            shell.run(
                "ctr", "-a", socket, "images", "pull", "--snapshotter", "native", "--hosts-dir", hosts,
                f"registry.example/{NAME}:v1",
            )  # fmt: skip
            assert first in shell.run("ctr", "-a", socket, "images", "ls")
        with there.running() as remote:
            second = put_image(remote, "v1", 2)
            assert second != first
            _until_moved(shell, service, second)
            assert copied(shell, f"registry.example/{NAME}:v1", "three", "--registries-conf", str(conf)) == second


def _until_moved(shell: Shell, service: Service, digest: str) -> None:
    """An upstream that was down is asked again after a while."""
    until = time.monotonic() + FILLED_S
    while digest_by_crane(shell, service) != digest:
        assert time.monotonic() < until, "the cache never learnt of the new image"
        time.sleep(1)
