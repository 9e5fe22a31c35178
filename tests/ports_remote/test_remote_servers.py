"""The registries that people run, driven by the client that reads and writes foreign ones: all of it against each."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from benchmarks.process import Server
from benchmarks.subjects import OURS, Subject
from chalicelib.kernel import media
from chalicelib.kernel.errors import Denied, DigestInvalid, Invalid, NotFound, RangeInvalid, Refused
from chalicelib.kernel.names import Digest
from chalicelib.ports.remote import RemoteRegistry
from chalicelib.ports.remote_login import Login
from chalicelib.ports.remote_reference import RemoteReference
from tests.lacking import needed, subjects
from tests.serving import free_port

from .foreign import ANYWHERE

pytestmark = pytest.mark.clients
LAYER = random.Random(8).randbytes(3_000_000)
MIB = 1024 * 1024
NAME, OTHER = "library/app", "library/other"


@pytest.fixture(params=subjects(), ids=lambda one: str(one.key), scope="module")
def registry(request: pytest.FixtureRequest) -> Iterator[tuple[Subject, RemoteRegistry]]:
    subject: Subject = request.param
    needed(subject)
    port = free_port()
    with TemporaryDirectory(prefix="crs-") as folder:
        launch = subject.launch(Path(folder), port)
        with Server(launch, f"http://127.0.0.1:{port}{subject.ready_path}", Path(folder) / "log"):
            login = Login(subject.account.username, subject.account.password) if subject.account else None
            with RemoteRegistry(RemoteReference.parse(f"127.0.0.1:{port}/x"), ANYWHERE, login=login) as remote:
                yield subject, remote


def image(remote: RemoteRegistry, repository: str, *tags: str, **more: object) -> Digest:
    """Whose layer and config are there."""
    config = b"{}"
    remote.put_blob(repository, Digest.of(config), [config], len(config))
    document = {
        "schemaVersion": 2,
        "mediaType": media.OCI_MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": Digest.of(config), "size": 2},
        "layers": [],
        **more,
    }
    body = json.dumps(document).encode()
    for tag in tags or (Digest.of(body),):
        assert remote.push(repository, tag, media.OCI_MANIFEST, body) == Digest.of(body)
    return Digest.of(body)


def halves(data: bytes) -> Iterator[bytes]:
    yield data[: len(data) // 2]
    yield data[len(data) // 2 :]


def test_a_blob_is_put_whole_and_read_back(registry: tuple[Subject, RemoteRegistry]) -> None:
    """Y1"""
    _, remote = registry
    digest = Digest.of(LAYER)
    assert not remote.has_blob(NAME, digest)
    remote.put_blob(NAME, digest, halves(LAYER), len(LAYER))
    assert remote.has_blob(NAME, digest)
    assert b"".join(remote.read_blob(NAME, digest, len(LAYER))) == LAYER
    assert b"".join(remote.blob_pieces(NAME, digest, 2_999_990)) == LAYER[2_999_990:]


def test_an_empty_blob_is_put(registry: tuple[Subject, RemoteRegistry]) -> None:
    subject, remote = registry
    if subject.key == "docker-registry":
        pytest.skip("distribution 2.8 keeps no blob of no bytes")
    remote.put_blob(NAME, Digest.of(b""), [], 0)
    assert remote.has_blob(NAME, Digest.of(b""))


def test_bytes_that_are_not_the_digests_are_refused(registry: tuple[Subject, RemoteRegistry]) -> None:
    _, remote = registry
    with pytest.raises(DigestInvalid):
        remote.put_blob(NAME, Digest.of(b"other"), [b"bytes"], 5)
    assert not remote.has_blob(NAME, Digest.of(b"other"))


def test_an_upload_that_broke_off_goes_on_where_the_registry_says(registry: tuple[Subject, RemoteRegistry]) -> None:
    """Y4: what has moved is not moved again."""
    subject, remote = registry
    data = b"pieces" + LAYER
    digest, location = Digest.of(data), remote.begin_upload(NAME)
    assert remote.upload_offset(NAME, location) == 0
    location = remote.append(NAME, location, 0, [data[:MIB]], MIB)
    if subject.key != "docker-registry":  # It takes any offset for its own.
        with pytest.raises(RangeInvalid) as refused:
            remote.append(NAME, location, 5, [data[5:MIB]], MIB - 5)
        assert refused.value.offset == MIB
    assert remote.upload_offset(NAME, location) == MIB
    location = remote.append(NAME, location, MIB, halves(data[MIB:]), len(data) - MIB)
    remote.finish_upload(NAME, location, digest)
    assert b"".join(remote.read_blob(NAME, digest, len(data))) == data
    assert remote.upload_offset(NAME, location) is None
    remote.finish_upload(NAME, location, digest)  # As one whose answer was lost.


def test_a_blob_is_mounted_from_another_repository(registry: tuple[Subject, RemoteRegistry]) -> None:
    """Y1"""
    _, remote = registry
    digest, missing = Digest.of(b"mounted"), Digest.of(b"missing")
    remote.put_blob(NAME, digest, [b"mounted"], 7)
    assert remote.mount(OTHER, digest, NAME)
    assert remote.has_blob(OTHER, digest)
    assert not remote.mount(OTHER, missing, NAME)
    remote.put_blob(OTHER, missing, [b"missing"], 7)
    assert remote.has_blob(OTHER, missing)


def test_an_image_is_pushed_looked_at_and_listed(registry: tuple[Subject, RemoteRegistry]) -> None:
    """Y1, K2"""
    _, remote = registry
    tags = [f"v{number:04}" for number in range(12)]
    digest = image(remote, "library/tagged", *tags)
    assert sorted(remote.tags("library/tagged")) == tags
    assert "library/tagged" in list(remote.repositories())
    head, manifest = remote.head("library/tagged", "v0003"), remote.pull("library/tagged", "v0003")
    assert (head.digest, head.media_type, head.size) == (digest, media.OCI_MANIFEST, len(manifest.body))
    assert manifest.digest == digest
    assert remote.head("library/tagged", digest).digest == digest
    with pytest.raises(NotFound):
        remote.head("library/tagged", "v9999")
    with pytest.raises(NotFound):
        remote.pull("library/tagged", "v9999")
    with pytest.raises(NotFound):
        list(remote.tags("library/nothing"))


def test_what_refers_to_an_image_is_found(registry: tuple[Subject, RemoteRegistry]) -> None:
    """Y1: signatures travel with what they are about."""
    subject, remote = registry
    subject_digest = image(remote, NAME, "signed")
    about = {"mediaType": media.OCI_MANIFEST, "digest": subject_digest, "size": remote.head(NAME, "signed").size}
    signature = image(remote, NAME, subject=about, artifactType="application/vnd.example.signature")
    if subject.key in ("docker-registry", "registry3"):  # Their clients keep the list.
        assert remote.referrers(NAME, subject_digest) == []
        listed = {"mediaType": media.OCI_MANIFEST, "digest": signature, "size": remote.head(NAME, signature).size}
        index = {"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": [listed]}
        remote.push(NAME, f"sha256-{subject_digest.hex}", media.OCI_INDEX, json.dumps(index).encode())
    assert remote.referrers(NAME, subject_digest) == [signature]
    assert remote.referrers(NAME, Digest.of(b"nothing")) == []


def test_a_manifest_whose_blobs_are_missing_is_refused_with_a_reason(
    registry: tuple[Subject, RemoteRegistry],
) -> None:
    subject, remote = registry
    missing = {"mediaType": "application/octet-stream", "digest": Digest.of(b"nowhere"), "size": 7}
    with pytest.raises(Refused) as refused:
        image(remote, NAME, "lacking", layers=[missing])
    assert isinstance(refused.value, NotFound | Invalid)
    assert remote.host in refused.value.message
    assert subject.key == "zot" or "status" not in refused.value.message


def test_a_wrong_password_is_told_as_that(registry: tuple[Subject, RemoteRegistry]) -> None:
    """K2"""
    subject, remote = registry
    if subject.key != OURS:
        pytest.skip("it wants no login")
    origin = remote._transport.origin
    reference = RemoteReference.parse(f"{origin.host}:{origin.port}/x")
    with RemoteRegistry(reference, ANYWHERE, login=Login("admin", "wrong")) as stranger, pytest.raises(Denied):
        stranger.begin_upload(NAME)
