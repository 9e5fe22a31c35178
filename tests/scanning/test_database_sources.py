"""Where databases come from: folders, archives, layouts, registries, and this very service as a mirror."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from chalicelib.kernel.errors import Denied, DigestInvalid, Invalid, Refused
from chalicelib.kernel.names import Digest
from chalicelib.kernel.settings import Settings
from chalicelib.ports.stack import Stack
from chalicelib.scanning.database_sources import from_path, from_reference, with_login
from tests.ports_remote.foreign import Foreign, foreign
from tests.serving import Service, serving

from .vulndb import artifact, make_database, make_layout, packed

NAME = "library/trivy-db"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return make_database(tmp_path / "database")


@pytest.fixture
def into(tmp_path: Path) -> Path:
    (tmp_path / "into").mkdir()
    return tmp_path / "into"


def same(one: Path, other: Path) -> bool:
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in ("trivy.db", "metadata.json"))


def test_a_folder_is_used_where_it_is(database: Path, into: Path, tmp_path: Path) -> None:
    """S2: also Trivy's own cache, which has a folder `db`."""
    assert from_path(str(database), into).folder == database
    (tmp_path / "cache").mkdir()
    database.rename(tmp_path / "cache" / "db")
    assert from_path(str(tmp_path / "cache"), into).folder == tmp_path / "cache" / "db"


def test_an_archive_is_unpacked(database: Path, into: Path, tmp_path: Path) -> None:
    (tmp_path / "db.tar.gz").write_bytes(packed(database))
    assert same(from_path(str(tmp_path / "db.tar.gz"), into).folder, database)


def test_a_layout_is_unpacked_and_compared(database: Path, into: Path, tmp_path: Path) -> None:
    layout = make_layout(tmp_path / "layout", "1", "2", layer=packed(database))
    with pytest.raises(Invalid, match="name one"):
        from_path(str(layout), into)
    found = from_path(f"{layout}:2", into)
    assert same(found.folder, database)
    assert found.digest == Digest.of(artifact(packed(database)) + b" ")


def test_a_layout_whose_bytes_are_others_is_refused(database: Path, into: Path, tmp_path: Path) -> None:
    layer = packed(database)
    layout = make_layout(tmp_path / "layout", "2", layer=layer)
    with (layout / "blobs" / "sha256" / Digest.of(layer).hex).open("ab") as blob:
        blob.write(b"x")
    with pytest.raises(DigestInvalid):
        from_path(str(layout), into)


@pytest.mark.parametrize("text", ["/nowhere", "/tmp", "/tmp:2"])
def test_what_holds_no_database_is_refused(into: Path, text: str) -> None:
    with pytest.raises(Invalid, match="holds neither"):
        from_path(text, into)


# A registry


@pytest.fixture
def registry() -> Iterator[Foreign]:
    with foreign() as made:
        yield made


def offer(registry: Foreign, layer: bytes) -> bytes:
    registry.add(layer)
    registry.tags["2"] = artifact(layer)
    return registry.tags["2"]


def fetch(registry: Foreign, into: Path, *known: str) -> Path | None:
    url = f"127.0.0.1:{registry.port}/owner/app:2"
    found = from_reference(url, Settings(), into, known, registry=lambda _: registry.reader())
    return found.folder if found else None


def test_what_a_registry_has_is_fetched_once(registry: Foreign, database: Path, into: Path) -> None:
    """S2: digests are compared first."""
    manifest = offer(registry, packed(database))
    folder = fetch(registry, into)
    assert folder is not None
    assert same(folder, database)
    asked = len(registry.asked)
    assert fetch(registry, into, Digest.of(manifest)) is None
    assert len(registry.asked) == asked + 1


@pytest.mark.parametrize("damage", ["other", "truncated", "longer"])
def test_a_layer_other_than_its_digest_is_refused(registry: Foreign, database: Path, into: Path, damage: str) -> None:
    """S2: though it unpacks well."""
    layer = packed(database)
    offer(registry, layer)
    another = packed(make_database(into.parent / "another", {"a": {"CVE-1": {"FixedVersion": "1"}}}))
    registry.lies[Digest.of(layer)] = {
        "other": another[: len(layer)].ljust(len(layer), b"\0"),
        "truncated": layer[:-1],
        "longer": layer + b"\0",
    }[damage]
    with pytest.raises(Refused):
        fetch(registry, into)


@pytest.mark.parametrize(
    "manifest",
    [
        b"{}",
        b"[]",
        b'{"layers":[]}',
        b'{"layers":[{"mediaType":"application/octet-stream","digest":"sha256:%s","size":1}]}' % (b"0" * 64),
        b'{"layers":[{"mediaType":"application/vnd.aquasec.trivy.db.layer.v1.tar+gzip","digest":"x","size":1}]}',
    ],
)
def test_an_artifact_that_is_no_database_is_refused(registry: Foreign, into: Path, manifest: bytes) -> None:
    registry.tags["2"] = manifest
    with pytest.raises(Invalid):
        fetch(registry, into)


# This very service, as a mirror


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("mirror")
    layer = packed(make_database(folder / "database"))
    with serving(folder / "data") as running:
        with httpx.Client(base_url=running.url, auth=running.login) as client:
            for blob in (b"{}", layer):
                answer = client.post(f"/v2/{NAME}/blobs/uploads/", params={"digest": Digest.of(blob)}, content=blob)
                assert answer.status_code == 201, answer.text
            kind = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
            answer = client.put(f"/v2/{NAME}/manifests/2", headers=kind, content=artifact(layer))
            assert answer.status_code == 201, answer.text
        yield running


def test_this_service_serves_the_database_to_another_one(service: Service, into: Path) -> None:
    """S2: behind a login, by a token, from an address of this machine that the operator wrote down."""
    settings = Settings(vulndb_login=":".join(service.login))
    found = from_reference(f"{service.host}/{NAME}:2", settings, into)
    assert found is not None
    assert {path.name for path in found.folder.iterdir()} == {"trivy.db", "metadata.json"}
    assert found.source == f"{service.host}/{NAME}:2"


def test_the_login_may_be_a_secret_of_the_deployment(service: Service, stack: Stack, into: Path) -> None:
    """S2: on AWS, where it is kept from whoever may see a function's variables."""
    hidden = replace(stack, secrets=lambda: {"vulndb_login": ":".join(service.login)})
    assert from_reference(f"{service.host}/{NAME}:2", with_login(hidden), into) is not None
    with pytest.raises(Denied):
        from_reference(f"{service.host}/{NAME}:2", with_login(stack), into)
    own = replace(hidden, settings=stack.settings.model_copy(update={"vulndb_login": "own:login"}))
    assert with_login(own).vulndb_login == "own:login"


@pytest.mark.parametrize("login", [None, "admin:wrong-password-1"])
def test_without_its_login_the_mirror_gives_nothing(service: Service, into: Path, login: str | None) -> None:
    with pytest.raises(Denied):
        from_reference(f"{service.host}/{NAME}:2", Settings(vulndb_login=login), into)
    assert list(into.iterdir()) == []
