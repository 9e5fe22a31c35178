"""X1 on DynamoDB, S3 and SQS (moto in process): each kind of entry comes back, and one is freed before its time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from chalicelib.collection.service import Fsck
from chalicelib.instances.service import Instances
from chalicelib.kernel.names import Digest
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from tests.api.conftest import aws_stack
from tests.background import run_background, run_tasks
from tests.ports_aws.adapters import moto_clients
from tests.registry.images import image, index, push_blob, push_manifest
from tests.registry.library import DAY, OTHER, Library
from tests.stacks import FrozenClock, make_instance, make_namespace

from .bin import delete_digest, delete_namespace, delete_repository, delete_tag, free, listed, pulled, restore

pytestmark = pytest.mark.campaign

ONE, TWO = image(b"one"), image(b"two")
BOTH = index(ONE, TWO)


def filled(stack: Stack) -> Library:
    instance = make_instance(stack, bucket=stack.settings.bucket)
    make_namespace(stack, instance)
    library = Library(stack, instance)
    for data in (b"{}", b"one", b"two"):
        push_blob(library.registry, library.owner, data)
    push_manifest(library.registry, library.owner, ONE, "one")
    push_manifest(library.registry, library.owner, TWO)
    push_manifest(library.registry, library.owner, BOTH, "both", "also")
    library.push("v1", name=OTHER)
    return library


def scanned(stack: Stack) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Rows of repositories, names and rules, as DynamoDB has them."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    more: Mapping[str, Any] = {}
    while True:
        page = moto_clients().dynamodb.scan(TableName=stack.settings.table, **more)
        found |= {(item["pk"]["S"], item["sk"]["S"]): item for item in page["Items"]}
        if "LastEvaluatedKey" not in page:
            break
        more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    content = ("REPO#", "POLICY#", "BLOB#")
    named = ("NAMESPACE#", "REPOSITORY#", "COUNT")
    return {key: row for key, row in found.items() if key[0].startswith(content) or key[1].startswith(named)}


def test_tags_and_indexes_come_back() -> None:
    """X1"""
    with aws_stack() as stack:
        library = filled(stack)
        api = library.api()
        delete_tag(library, "one")
        delete_digest(library, Digest.of(BOTH))
        delete_digest(library, Digest.of(TWO))
        index_entry, tag = listed(api, search=Digest.of(BOTH))[0], listed(api, kind="tag")[0]
        push_manifest(library.registry, library.owner, ONE, "also")
        refused = restore(api, index_entry)
        assert (refused.status, refused.json()["context"]["tags"]) == (409, ["also"])
        assert restore(api, index_entry, leave_taken=True).json()["tags"] == ["both"]
        assert restore(api, tag, name="uno").json()["tags"] == ["uno"]
        assert pulled(library, "both") == Digest.of(BOTH)
        assert pulled(library, "uno") == pulled(library, "also") == Digest.of(ONE)
        assert pulled(library, Digest.of(TWO)) == Digest.of(TWO)
        assert list(Fsck(stack, deep=True).run()) == []


def test_repositories_and_namespaces_come_back_row_by_row_and_are_freed() -> None:
    """X1, N2, N3"""
    with aws_stack() as stack:
        clock = stack.clock
        assert isinstance(clock, FrozenClock)
        library = filled(stack)
        api = library.api()
        rule = {"namespace": "library", "tags": "stable-*"}
        assert api.post("/instances/ci/immutability-rules", rule).status == 201
        before = scanned(stack)
        delete_repository(library)
        assert restore(api, listed(api)[0]).status == 200
        assert scanned(stack) == before
        delete_namespace(library)
        assert restore(api, listed(api)[0]).status == 202
        run_tasks(stack)
        assert scanned(stack) == before
        assert list(Fsck(stack, deep=True).run()) == []
        delete_namespace(library)
        assert free(api, listed(api)[0]).status == 204
        assert listed(api) == []
        for _ in range(2):
            clock.advance(2 * DAY)
            run_background(stack)
        assert stack.table.query(keys.bin_partition(library.instance.id)).items == ()
        assert stack.objects(library.instance.bucket).list(f"{library.instance.id}/blobs/").items == ()
        assert Instances(stack).usage(library.instance).storage.used == 0
