"""Y3, Y5: copies inside a store, of one instance or from one to another."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from chalicelib.collection.service import Fsck
from chalicelib.instances.service import Instances
from chalicelib.kernel import media
from chalicelib.kernel.names import Digest
from chalicelib.ports.stack import Stack
from tests.registry.images import image, index
from tests.stacks import make_instance, make_namespace

from .shops import COPY, Route, Shop, one_instance, two_instances

Pair = Callable[[Stack], tuple[Shop, Shop]]
PAIRS = pytest.mark.parametrize("pair", [one_instance, two_instances], ids=["one instance", "two instances"])


def route(pair: Pair, stack: Stack) -> tuple[Shop, Shop, Route]:
    here, there = pair(stack)
    return here, there, Route(here.source(), there.target())


@PAIRS
def test_an_image_comes_without_its_bytes_passing_through_this_process(pair: Pair, stack: Stack) -> None:
    """Y3."""
    here, there, copying = route(pair, stack)
    digest = here.push("v1", layers=(b"one" * 1000, b"two" * 1000))
    outcome = copying.copy()
    assert (outcome.verdict, outcome.digest, outcome.moved, outcome.skipped) == ("copied", digest, 0, 6002)
    assert there.digest("v1") == digest
    assert there.layers("v1") == [b"one" * 1000, b"two" * 1000]
    assert list(Fsck(stack, deep=True).run()) == []


@PAIRS
def test_what_is_there_is_not_brought_again(pair: Pair, stack: Stack) -> None:
    here, there, copying = route(pair, stack)
    here.push("v1")
    copying.copy()
    before = there.tag("v1")
    outcome = copying.copy()
    assert (outcome.verdict, outcome.moved) == ("unchanged", 0)
    assert there.tag("v1") == before


@PAIRS
def test_indexes_come_whole_with_what_they_list(pair: Pair, stack: Stack) -> None:
    """Y5: all platforms."""
    here, there, copying = route(pair, stack)
    digest = here.push_index("v1", b"amd64", b"arm64")
    assert copying.copy().verdict == "copied"
    assert there.digest("v1") == digest
    assert there.layers(Digest.of(image(b"amd64"))) == [b"amd64"]
    assert there.layers(Digest.of(image(b"arm64"))) == [b"arm64"]


@PAIRS
def test_indexes_of_indexes_come_whole(pair: Pair, stack: Stack) -> None:
    here, there, copying = route(pair, stack)
    here.push_index("inner", b"amd64")
    inner = here.body("inner")
    described = {"mediaType": media.OCI_INDEX, "digest": Digest.of(inner), "size": len(inner)}
    here.put(index().replace(b'"manifests": []', b'"manifests": [' + json.dumps(described).encode() + b"]"), "v1")
    assert copying.copy().verdict == "copied"
    assert there.layers(Digest.of(image(b"amd64"))) == [b"amd64"]


@PAIRS
def test_referrers_come_with_their_subject_and_theirs_with_them(pair: Pair, stack: Stack) -> None:
    """Y5."""
    here, there, copying = route(pair, stack)
    digest = here.push("v1")
    signature = here.sign(digest)
    again = here.sign(signature, b"countersigned")
    assert copying.copy().verdict == "copied"
    assert there.referrers(digest) == [signature]
    assert there.referrers(signature) == [again]


@PAIRS
def test_a_signature_that_came_later_is_brought_to_what_is_there(pair: Pair, stack: Stack) -> None:
    here, there, copying = route(pair, stack)
    here.push_index("v1", b"amd64", b"arm64")
    copying.copy()
    signature = here.sign(Digest.of(image(b"arm64")))
    assert copying.copy().verdict == "copied"
    assert there.referrers(Digest.of(image(b"arm64"))) == [signature]
    assert copying.copy().verdict == "unchanged"


def test_referrers_stay_where_nobody_wants_them(stack: Stack) -> None:
    here, there, copying = route(two_instances, stack)
    digest = here.push("v1")
    here.sign(digest)
    assert copying.copy(referrers=False).verdict == "copied"
    assert there.referrers(digest) == []


@PAIRS
def test_another_digest_under_the_tag_is_left_alone_without_override(pair: Pair, stack: Stack) -> None:
    """Y5: and the record says so."""
    here, there, copying = route(pair, stack)
    here.push("v1")
    copying.copy(tag="v1")
    kept = there.digest("v1")
    here.push("v1", layers=(b"newer",))
    outcome = copying.copy()
    assert (outcome.verdict, outcome.reason, outcome.moved + outcome.skipped) == ("left", "tag_exists", 0)
    assert kept in outcome.message
    assert there.digest("v1") == kept


@PAIRS
def test_another_digest_under_the_tag_is_replaced_with_override(pair: Pair, stack: Stack) -> None:
    here, there, copying = route(pair, stack)
    here.push("v1")
    copying.copy()
    newer = here.push("v1", layers=(b"newer",))
    assert copying.copy(override=True).verdict == "copied"
    assert there.digest("v1") == newer


def test_the_tag_says_that_it_was_synchronised_and_by_whom(stack: Stack) -> None:
    here, there, copying = route(two_instances, stack)
    here.push("v1")
    copying.copy()
    assert there.tag("v1").pushed_by == "system:sync"


def test_an_image_may_come_by_its_digest_alone(stack: Stack) -> None:
    here, there, copying = route(two_instances, stack)
    digest = here.push("v1")
    assert copying.copy(digest, "").verdict == "copied"
    assert there.body(digest) == here.body("v1")
    assert copying.copy(digest, "").verdict == "unchanged"


def test_blobs_of_no_bytes_and_manifests_of_many_come(stack: Stack) -> None:
    here, there, copying = route(two_instances, stack)
    padding = {"padding": "x" * 100_000}
    here.push("v1", layers=(b"", b"one"), annotations=padding)
    assert copying.copy().verdict == "copied"
    assert there.body("v1") == here.body("v1")
    assert there.layers("v1") == [b"", b"one"]
    assert list(Fsck(stack, deep=True).run()) == []


def test_an_image_that_is_not_there_fails_with_the_reason(stack: Stack) -> None:
    here, _, copying = route(two_instances, stack)
    here.push("v1")
    outcome = copying.copy("v2")
    assert (outcome.verdict, outcome.reason) == ("failed", "not_found")


def test_each_instance_counts_its_own_copy(stack: Stack) -> None:
    """Deduplication never goes beyond an instance."""
    here, there, copying = route(two_instances, stack)
    here.push("v1", layers=(b"x" * 1000,))
    copying.copy()
    usage = Instances(stack).usage
    assert usage(there.instance).storage.used == usage(here.instance).storage.used == 1002


def test_layers_that_their_author_keeps_elsewhere_are_left_out(stack: Stack) -> None:
    """As a client leaves them out of a push."""
    here, there, copying = route(two_instances, stack)
    here.blob(b"{}")
    here.blob(b"ours")
    foreign = {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "digest": Digest.of(b"theirs"),
        "size": 6,
        "urls": ["https://example.com/theirs"],
    }
    document = json.loads(image(b"ours"))
    here.put(json.dumps({**document, "layers": [*document["layers"], foreign]}).encode(), "v1")
    outcome = copying.copy()
    assert (outcome.verdict, outcome.skipped) == ("copied", 6)
    assert there.body("v1") == here.body("v1")


def test_an_index_that_is_not_whole_comes_so_where_the_target_allows_it(stack: Stack) -> None:
    here, there = make_instance(stack), make_instance(stack, "far")
    make_namespace(stack, here, allow_sparse_indexes=True)
    make_namespace(stack, there, "shelf", allow_sparse_indexes=True)
    source, target = Shop(stack, here), Shop(stack, there, COPY)
    source.push(layers=(b"amd64",))
    digest = source.put(index(image(b"amd64"), image(b"nobody has this")), "v1")
    assert Route(source.source(), target.target()).copy().verdict == "copied"
    assert target.digest("v1") == digest
    assert target.layers(Digest.of(image(b"amd64"))) == [b"amd64"]
