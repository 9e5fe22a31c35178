"""N5: what goes with tags is told the same, however many are asked about together and whatever lies between them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.kernel import media
from chalicelib.kernel.names import Digest, TagName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.registry.consequences import MOST_HOLDERS, Consequences, consequences
from chalicelib.registry.models import TagRecord
from tests.faults.ports import Faults, faulty

INSTANCE, REPOSITORY = "ci", "01J00000000000000000000001"


def manifest(number: int) -> Digest:
    return Digest.of(f"manifest {number}".encode())


def blob(number: int) -> str:
    return str(Digest.of(f"blob {number}".encode()))


def tag(name: str, number: int) -> TagRecord:
    return TagRecord(
        repository_id=REPOSITORY, name=TagName(name), digest=manifest(number), push="", media_type="", size=0,
        pushed_at="", pushed_by="",
    )  # fmt: skip


def lay_out(stack: Stack, tags: Mapping[str, int], blobs: Mapping[int, Sequence[int]]) -> None:
    """tags: name → manifest; blobs: of each manifest, each of a size that tells it from others."""
    rows: list[dict[str, Any]] = []
    for number, held in blobs.items():
        key, own = keys.manifest(REPOSITORY, manifest(number)), f"incarnation-{number}"
        rows.append(
            {
                **key._asdict(), "repository_id": REPOSITORY, "digest": manifest(number), "incarnation": own,
                "media_type": media.OCI_MANIFEST, "size": 1, "pushed_at": "2026-01-31T08:00:00.000000Z",
                "pushed_by": "admin", "blobs": [blob(one) for one in held],
            }
        )  # fmt: skip
        for one in held:
            edge = keys.edge(INSTANCE, blob(one), REPOSITORY, "MANIFEST", own)
            rows.append({**edge._asdict(), "kind": "MANIFEST", "owner": own})
    every = {one for held in blobs.values() for one in held}
    rows += [{**keys.head(INSTANCE, blob(one))._asdict(), "size": 2**one} for one in every]
    for name, number in tags.items():
        hold = keys.hold(REPOSITORY, manifest(number), "TAG", name)
        rows.append({**hold._asdict(), "digest": manifest(number), "kind": "TAG", "owner": name, "index": ""})
    stack.table.put_many(rows)


def ask(stack: Stack, tags: Mapping[str, int], *names: str) -> Consequences:
    return consequences(stack, INSTANCE, REPOSITORY, [tag(name, tags[name]) for name in names])


def test_what_goes_is_what_no_other_tag_needs_whichever_are_asked_about(stack: Stack) -> None:
    """N5, P5: held to a plain count, for many choices out of manifests with few and with many tags."""
    dice = random.Random(11)
    blobs = {number: dice.sample(range(60), 2) for number in range(40)}
    tags = {f"t{number}": int(40 * dice.random() ** 3) for number in range(700)}
    lay_out(stack, tags, blobs)
    for share in (0.002, 0.05, 0.5, 0.97, 1.0):
        names = [name for name in tags if dice.random() < share] or ["t0"]
        told = ask(stack, tags, *names)
        stays = {number for name, number in tags.items() if name not in names}
        goes = {tags[name] for name in names} - stays
        needed = {one for number, held in blobs.items() if number not in goes for one in held}
        assert {one.digest for one in told.digests} == {manifest(number) for number in goes}
        assert told.bytes == sum(2**one for one in {one for number in goes for one in blobs[number]} - needed)
        asked = {tags[name] for name in names}
        siblings = {name for name, number in tags.items() if number in asked and name not in names}
        assert {one.tag for one in told.siblings} == set(sorted(siblings)[:100])
        assert told.complete


def test_manifests_with_a_tag_each_cost_a_few_pages_and_not_some_calls_each(stack: Stack) -> None:
    """P5: what is left is a question for each blob."""
    tags = {f"t{number}": number for number in range(300)}
    lay_out(stack, tags, {number: [number % 3] for number in range(300)})
    counted = Faults()
    told = ask(faulty(stack, counted), tags, *tags)
    assert len(told.digests) == 300
    # Holders are two pages, what refers to them one; then a query for each of three blobs.
    assert Counter(counted.calls) == {"table.query": 2 + 1 + 3, "table.get_many": 2}


def test_more_holders_than_are_looked_through_count_as_staying_and_hide_no_other_digest(stack: Stack) -> None:
    """N5"""
    tags = {f"t{number}": 0 for number in range(MOST_HOLDERS + 250)} | {"a": 1, "b": 2, "c": 3}
    lay_out(stack, tags, {0: [0], 1: [1], 2: [2], 3: [3]})
    told = ask(stack, tags, "t1", "a", "b", "c")
    assert {one.digest for one in told.digests} == {manifest(1), manifest(2), manifest(3)}
    assert not told.complete
    assert not ask(stack, tags, "t1").complete
    assert ask(stack, tags, "b").complete
