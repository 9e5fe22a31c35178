"""N5: tags copied and added on the server."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from chalicelib.collection.service import Fsck, Sweeper
from chalicelib.instances.service import Instances
from chalicelib.kernel import media
from chalicelib.kernel.names import Digest, RepositoryName, TagName
from chalicelib.kernel.roles import Role
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Update
from chalicelib.registry.copies import MOST_BLOBS
from chalicelib.repositories.service import Repositories
from tests.management import Reply
from tests.stacks import FrozenClock, make_namespace

from .images import NAME, descriptor, image
from .library import Library

OTHER = RepositoryName.parse("library/other/deep")


@pytest.fixture
def library(stack: Stack) -> Library:
    return Library.opened(stack)


def copy(library: Library, **body: object) -> Reply:
    return library.api(Role.DEVELOPER).post(library.path("/tags/v1/copies"), body)


def stored(library: Library) -> list[str]:
    objects = library.stack.objects(library.instance.bucket)
    return [found.key for found in objects.list(f"{library.instance.id}/blobs/").items]


def pulled(library: Library, name: RepositoryName, reference: str) -> bytes:
    wanted = Digest.parse(reference) if ":" in reference else TagName.parse(reference)
    return library.registry.pull(library.owner, name, wanted).body


def test_a_second_tag_is_added_to_what_the_first_points_to(library: Library) -> None:
    """N5"""
    digest = library.push("v1")
    assert copy(library, tag="v1").json()["errors"][0]["field"] == "tag"
    answer = copy(library, tag="stable")
    assert answer.status == 201, answer.text
    assert (answer.json()["tag"], answer.json()["digest"], answer.json()["pushed_by"]) == (
        "stable",
        digest,
        "developer",
    )
    assert answer.json()["platforms"] == ["linux/amd64"]
    told = library.api().get("/instances/ci/audit-events").json()["items"]
    (done,) = [one for one in told if one["result"] == "succeeded"]
    assert (done["action"], done["repository"], done["object"]) == ("copy", NAME, f"v1 to {NAME}:stable")


def test_a_copy_into_another_repository_moves_no_bytes_and_outlives_its_source(
    library: Library, clock: FrozenClock
) -> None:
    """N5: the blobs are held by the copy too."""
    digest = library.push("v1")
    before, used = stored(library), Instances(library.stack).usage(library.instance).storage.used
    answer = copy(library, repository=OTHER.short, tag="v2")
    assert answer.status == 201, answer.text
    assert stored(library) == before
    assert Instances(library.stack).usage(library.instance).storage.used == used
    library.registry.delete(library.owner, NAME, digest)
    for _ in range(12):
        clock.advance(86_400)
        Sweeper(library.stack).run()
    assert pulled(library, OTHER, "v2") == pulled(library, OTHER, digest)
    for layer in (b"one", b"two"):
        assert library.registry.blob(library.owner, OTHER, Digest.of(layer)).size == 3
    assert list(Fsck(library.stack).run()) == []


def copied(library: Library, **body: object) -> dict[str, Any]:
    answer = copy(library, **body)
    assert answer.status == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_an_index_goes_with_all_its_images(library: Library) -> None:
    """N5"""
    amd, arm = library.push(layers=(b"a",)), library.push(layers=(b"b",), architecture="arm64")
    index = library.push_index((amd, "linux/amd64"), (arm, "linux/arm64"), tag="v1")
    row = copied(library, repository="other", tag="v1")
    assert (row["digest"], row["platforms"]) == (index, ["linux/amd64", "linux/arm64"])
    name = RepositoryName.parse("library/other")
    assert [len(pulled(library, name, digest)) > 0 for digest in (index, amd, arm)] == [True] * 3


def test_signatures_go_along_when_they_are_asked_for(library: Library) -> None:
    """N5"""
    subject = library.push("v1")
    about: dict[str, Any] = {"subject": descriptor(pulled(library, NAME, subject), media.OCI_MANIFEST)}
    signature = library.push_with(b"{}", layers=(b"sig",), artifactType="application/vnd.sig", **about)
    copied(library, repository="without", tag="v1")
    copied(library, repository="with", tag="v1", referrers=True)
    found = {
        short: library.registry.referrers(library.owner, RepositoryName.parse(f"library/{short}"), subject).items
        for short in ("without", "with")
    }
    assert found["without"] == ()
    assert [one.digest for one in found["with"]] == [signature]


def test_what_follows_a_push_follows_a_copy(library: Library) -> None:
    """R6, N5"""
    library.push("v1")
    library.handle_events()
    copied(library, repository="other", tag="v1")
    objects = library.stack.objects(library.instance.bucket)
    repository = library.repository(RepositoryName.parse("library/other"))
    assert [push.key.split("/")[2] for push in objects.list(f"{library.instance.id}/pushes/").items] == [repository.id]
    library.handle_events()
    assert library.repository(RepositoryName.parse("library/other")).kind == "image"


def test_a_copy_replaces_the_tag_that_stood_there(library: Library) -> None:
    """N5, X2"""
    library.push("v1")
    library.push("v1", layers=(b"three", b"four"), name=OTHER)
    copied(library, repository=OTHER.short, tag="v1")
    assert library.registry.tag(library.repository(OTHER), TagName("v1")).version == 2
    assert pulled(library, OTHER, "v1") == pulled(library, NAME, "v1")


def test_a_repository_is_made_only_where_its_namespace_makes_them(library: Library) -> None:
    """N1, N5"""
    library.push("v1")
    make_namespace(library.stack, library.instance, "closed", auto_create_repository=False)
    answer = library.api().post(library.path("/tags/v1/copies"), {"namespace": "closed", "tag": "v1"})
    assert (answer.status, answer.code) == (404, "NOT_FOUND")
    assert "makes none on push" in answer.json()["detail"]
    missing = library.api().post(library.path("/tags/v1/copies"), {"namespace": "nowhere", "tag": "v1"})
    assert missing.status == 404
    assert Repositories(library.stack).list(library.instance.id, prefix="closed/").items == ()


def test_a_copy_takes_quota_like_a_push(library: Library) -> None:
    """I1, N5"""
    library.push("v1")
    library.stack.table.update(Update(keys.instance(library.instance.id), set={"repository_limit": 1}))
    answer = library.api().post(library.path("/tags/v1/copies"), {"repository": "other", "tag": "v1"})
    assert (answer.status, answer.code) == (403, "QUOTA_EXCEEDED")


def test_who_only_reads_copies_nothing(library: Library) -> None:
    """G5"""
    library.push("v1")
    for role in (Role.READER, Role.AUDITOR):
        answer = library.api(role).post(library.path("/tags/v1/copies"), {"tag": "v2"})
        assert (answer.status, answer.code) == (403, "DENIED")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"tag": "-x"}, "tag"),
        ({}, "tag"),
        ({"tag": "v2", "namespace": "UPPER"}, "namespace"),
        ({"tag": "v2", "repository": "../x"}, "repository"),
        ({"tag": "v2", "repo": "x"}, "repo"),
    ],
)
def test_a_bad_target_names_its_field(library: Library, body: dict[str, object], field: str) -> None:
    library.push("v1")
    answer = library.api().post(library.path("/tags/v1/copies"), body)
    assert (answer.status, answer.json()["errors"][0]["field"]) == (400, field)


def test_a_tag_that_is_missing_is_not_copied(library: Library) -> None:
    library.push("v1")
    assert library.api().post(library.path("/tags/none/copies"), {"tag": "v2"}).status == 404


def test_a_manifest_of_another_algorithm_keeps_its_digest(library: Library) -> None:
    """R1: sha512 stays sha512."""
    library.push("seed")
    body = image(b"one", b"two", config=b"{}")
    library.push_with(b"{}")
    digest = Digest.parse("sha512:" + hashlib.sha512(body).hexdigest())
    library.registry.push(library.owner, NAME, digest, [TagName("v1")], body, media.OCI_MANIFEST)
    assert copied(library, repository="other", tag="v1")["digest"] == digest


def test_a_large_manifest_is_copied_whole(library: Library) -> None:
    library.push_with(b"{}", "v1", annotations={"long": "x" * 20_000})
    copied(library, repository="other", tag="v1")
    assert pulled(library, RepositoryName.parse("library/other"), "v1") == pulled(library, NAME, "v1")


def test_what_is_too_much_for_one_request_is_refused_before_anything_is_made(stack: Stack) -> None:
    library = Library.opened(stack, allow_sparse_indexes=True)
    absent = [descriptor(b"%d" % number) for number in range(MOST_BLOBS + 1)]
    body = image(config=b"{}").replace(b'"layers": []', b'"layers": ' + json.dumps(absent).encode())
    library.push_with(b"{}")
    library.registry.push(library.owner, NAME, TagName("v1"), [], body, media.OCI_MANIFEST)
    answer = library.api().post(library.path("/tags/v1/copies"), {"repository": "other", "tag": "v1"})
    assert answer.status == 409
    assert Repositories(stack).list(library.instance.id, prefix="library/other").items == ()
