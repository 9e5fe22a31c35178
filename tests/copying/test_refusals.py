"""Y5: what keeps an image back is told in one word, and nothing of it is published."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.collection.service import Fsck
from chalicelib.instances.service import Instances
from chalicelib.kernel.names import Digest, RepositoryName
from chalicelib.kernel.roles import Role
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.registry.models import StoredBlob
from chalicelib.repositories.service import Repositories
from tests.background import run_background
from tests.management import Api
from tests.pull_policies.gated import scanned, set_policy
from tests.registry.images import image, owner_of
from tests.registry.library import DAY
from tests.stacks import FrozenClock, make_namespace

from .shops import COPY, Route, Shop, one_instance, two_instances


@pytest.fixture
def shops(stack: Stack) -> tuple[Shop, Shop]:
    return two_instances(stack)


def route(shops: tuple[Shop, Shop]) -> Route:
    return Route(shops[0].source(), shops[1].target())


def objects(shop: Shop) -> list[str]:
    listed = shop.stack.objects(shop.instance.bucket).list(f"{shop.instance.id}/blobs/")
    return [found.key for found in listed.items]


def test_what_the_sources_pull_policy_blocks_is_blocked(shops: tuple[Shop, Shop], stack: Stack) -> None:
    """Y5."""
    here, there = shops
    digest = here.push("v1")
    scanned(stack, here.instance.id, digest)
    set_policy(stack, "ci")
    outcome = route(shops).copy()
    assert (outcome.verdict, outcome.reason, outcome.moved) == ("blocked", "scan_policy", 0)
    assert "CVE-2026-0001" in outcome.message
    assert objects(there) == []


def test_an_index_is_blocked_with_one_of_its_images(shops: tuple[Shop, Shop], stack: Stack) -> None:
    here, there = shops
    here.push_index("v1", b"good", b"bad")
    scanned(stack, here.instance.id, Digest.of(image(b"good")), {})
    scanned(stack, here.instance.id, Digest.of(image(b"bad")))
    set_policy(stack, "ci")
    assert route(shops).copy().verdict == "blocked"
    assert objects(there) == []


def test_a_full_instance_takes_nothing_and_keeps_nothing(
    shops: tuple[Shop, Shop], stack: Stack, clock: FrozenClock
) -> None:
    here, there = shops
    here.push("v1", layers=(b"x" * 1000,))
    full = replace(there, instance=there.instance.model_copy(update={"storage_limit_bytes": 500}))
    outcome = Route(here.source(), full.target()).copy()
    assert (outcome.verdict, outcome.reason) == ("failed", "quota_exceeded")
    assert there.target().standing("v1") is None
    for _ in range(2):
        clock.advance(2 * DAY)
        run_background(stack)
    assert objects(there) == []
    assert Instances(stack).usage(there.instance).storage.used == 0


def test_more_repositories_than_may_be_are_not_made(shops: tuple[Shop, Shop]) -> None:
    here, there = shops
    here.push("v1")
    full = replace(there, instance=there.instance.model_copy(update={"repository_limit": 0}))
    outcome = Route(here.source(), full.target()).copy()
    assert (outcome.verdict, outcome.reason) == ("failed", "quota_exceeded")


def test_a_tag_that_never_moves_is_not_moved(shops: tuple[Shop, Shop], stack: Stack) -> None:
    """P1: immutability, with override too."""
    here, there = shops
    here.push("v1")
    copying = route(shops)
    copying.copy()
    kept = there.digest("v1")
    rules = Api.signed_in(stack, Role.DEVELOPER)
    made = rules.post("/instances/far/immutability-rules", {"namespace": "shelf", "repositories": "**", "tags": "v*"})
    assert made.status == 201, made.text
    here.push("v1", layers=(b"newer",))
    outcome = copying.copy(override=True)
    assert (outcome.verdict, outcome.reason) == ("failed", "tag_immutable")
    assert there.digest("v1") == kept


def test_a_namespace_that_is_not_there_is_not_made(shops: tuple[Shop, Shop]) -> None:
    here, there = shops
    here.push("v1")
    nowhere = replace(there, name=RepositoryName("nowhere/app"))
    outcome = Route(here.source(), nowhere.target()).copy()
    assert (outcome.verdict, outcome.reason) == ("failed", "not_found")
    assert "there is no namespace nowhere" in outcome.message


def test_a_repository_is_made_with_its_namespaces_visibility(shops: tuple[Shop, Shop], stack: Stack) -> None:
    """Whoever made the rule had leave to make it, whatever the namespace says of pushes."""
    here, there = shops
    make_namespace(stack, there.instance, "open", auto_create_repository=False, default_visibility="public")
    here.push("v1")
    open_shop = replace(there, name=RepositoryName("open/app"))
    assert Route(here.source(), open_shop.target()).copy().verdict == "copied"
    made = Repositories(stack).get(there.instance.id, "open/app", fresh=True)
    assert (made.visibility, made.created_by) == ("public", "system:sync")


def test_the_service_reaches_no_other_repository_than_it_was_sent_to(shops: tuple[Shop, Shop]) -> None:
    here, there = shops
    here.push("v1")
    elsewhere = replace(here, name=RepositoryName("library/other"))
    astray = type(here.source())(here.stack, here.source()._caller, elsewhere.name)
    assert Route(astray, there.target()).copy().verdict == "failed"


# Taking inside the store


def test_bytes_that_went_meanwhile_are_not_taken(shops: tuple[Shop, Shop], stack: Stack, clock: FrozenClock) -> None:
    here, there = shops
    here.push("v1")
    blob = here.registry.blob(owner_of(here.instance), here.name, Digest.of(b"one"))
    gone = StoredBlob(blob.digest, blob.size, blob.bucket, blob.key + "x")
    caller = there.target()._caller
    with pytest.raises(Exception, match="no blob is known"):
        there.registry.take(caller, COPY, blob.digest, gone)
    clock.advance(2 * DAY)
    run_background(stack)
    assert stack.table.query(keys.blob_partition(there.instance.id, blob.digest)).items == ()
    assert objects(there) == []


def test_a_copy_between_instances_outlives_its_source(
    shops: tuple[Shop, Shop], stack: Stack, clock: FrozenClock
) -> None:
    """Content of an instance is its own: the other's may be deleted, bytes and all."""
    here, there = shops
    digest = here.push("v1", layers=(b"layer" * 100,))
    route(shops).copy()
    here.registry.delete(owner_of(here.instance), here.name, digest)
    for days in (8, 2, 2):
        clock.advance(days * DAY)
        run_background(stack)
    assert objects(here) == []
    assert there.layers("v1") == [b"layer" * 100]
    assert list(Fsck(stack, deep=True).run()) == []


def test_content_within_an_instance_is_shared(stack: Stack) -> None:
    here, there = one_instance(stack)
    here.push("v1", layers=(b"layer" * 100,))
    before = objects(here)
    assert Route(here.source(), there.target()).copy().verdict == "copied"
    assert objects(there) == before
