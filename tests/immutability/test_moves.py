"""P1, R7: whoever would move or delete a tag that a rule keeps is refused, whichever way it comes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.kernel.errors import Refused, TagImmutable, Unavailable
from chalicelib.kernel.names import Digest, TagName
from chalicelib.ports import keys
from chalicelib.ports.table import Item, Key
from chalicelib.registry.models import TagRecord
from chalicelib.registry.retirement import TAGS_PER_TRANSACTION, Deletion, Retirement
from chalicelib.registry.rules import TAGS_PER_PUSH
from chalicelib.registry.service import Registry
from tests.background import run_tasks
from tests.registry.images import NAME, image, index, push_blob, push_manifest
from tests.registry.library import Library
from tests.stacks import TableWith, with_table

from .ruled import digest_of, rule, switch


def tags_of(library: Library) -> list[TagRecord]:
    rows = library.stack.table.query(keys.repository_partition(library.repository().id), prefix="TAG#", limit=1000)
    return [TagRecord.model_validate(row) for row in rows.items]


def refused(caught: pytest.ExceptionInfo[TagImmutable]) -> tuple[object, object, object]:
    return tuple(caught.value.detail[name] for name in ("repository", "tag", "rule"))  # type: ignore[return-value]


def test_a_tag_under_a_rule_is_pushed_once(library: Library) -> None:
    """P1: another digest is refused and names the rule; the same once more is no overwrite."""
    kept_by = rule(library, "v*")
    first = library.push("v1")
    with pytest.raises(TagImmutable) as caught:
        library.push("v1", layers=(b"other",))
    assert refused(caught) == ("library/app", "v1", kept_by)
    assert library.push("v1") == first
    assert digest_of(library, "v1") == first


@pytest.mark.parametrize("tag", ["latest", "v1"])
def test_no_tag_is_special(library: Library, tag: str) -> None:
    """P1: `latest` neither."""
    rule(library)
    first = library.push(tag)
    with pytest.raises(TagImmutable):
        library.push(tag, layers=(b"other",))
    assert digest_of(library, tag) == first


def test_a_push_of_many_tags_is_refused_whole_if_one_of_them_is_kept(library: Library) -> None:
    """P1: by digest with `?tag=` too; what is not kept does not move either, and what is new is not made."""
    rule(library, "keep")
    first = library.push("keep", "free")
    with pytest.raises(TagImmutable):
        library.push("free", "new", "keep", layers=(b"other",))
    assert digest_of(library, "free") == digest_of(library, "keep") == first
    assert {tag.name for tag in tags_of(library)} == {"keep", "free"}


def test_a_refused_push_leaves_nothing_behind_that_the_grace_period_does_not_take(library: Library) -> None:
    """P1"""
    rule(library)
    library.push("v1")
    with pytest.raises(TagImmutable):
        library.push("v1", layers=(b"other",))
    rows = library.stack.table.query(keys.repository_partition(library.repository().id), prefix="MANIFEST#").items
    assert len(rows) == 1


def test_what_a_rule_keeps_is_deleted_neither_by_tag_nor_by_digest(library: Library) -> None:
    """P1, R7: and of a manifest nothing goes if one of its tags is kept."""
    rule(library, "keep")
    digest = library.push("keep", "free")
    for reference in (TagName("keep"), digest):
        with pytest.raises(TagImmutable):
            library.registry.delete(library.owner, NAME, reference)
    assert {tag.name for tag in tags_of(library)} == {"keep", "free"}
    library.registry.delete(library.owner, NAME, TagName("free"))
    assert digest_of(library, "keep") == digest


def test_a_manifest_of_very_many_tags_is_judged_whole_before_anything_goes(library: Library) -> None:
    """R7: also where its last tag alone is kept, pages later."""
    tags = [f"t{number:03d}" for number in range(TAGS_PER_TRANSACTION + TAGS_PER_PUSH)]
    for start in range(0, len(tags), TAGS_PER_PUSH):
        digest = library.push(*tags[start : start + TAGS_PER_PUSH])
    kept_by = rule(library, tags[-1])
    with pytest.raises(TagImmutable) as caught:
        library.registry.delete(library.owner, NAME, digest)
    assert refused(caught) == ("library/app", tags[-1], kept_by)
    assert len(tags_of(library)) == len(tags)
    switch(library, kept_by, enabled=False)
    library.registry.delete(library.owner, NAME, digest)
    assert tags_of(library) == []
    (entry,) = library.stack.table.query(keys.bin_partition(library.instance.id)).items
    assert len(entry["tags"]) == len(tags)


def test_a_copy_does_not_move_a_kept_tag(library: Library) -> None:
    """P1, A3"""
    first = library.push("keep")
    library.push("other", layers=(b"other",))
    rule(library, "keep")
    answer = library.api().post(library.path("/tags/other/copies"), {"tag": "keep"})
    assert (answer.status, answer.code) == (409, "TAG_IMMUTABLE")
    assert digest_of(library, "keep") == first


def test_an_accelerated_tag_follows_its_original(library: Library) -> None:
    """P1"""
    rule(library, "v1")
    library.push("v1", "v1-accelerated")
    with pytest.raises(TagImmutable):
        library.push("v1-accelerated", layers=(b"other",))
    with pytest.raises(TagImmutable):
        library.registry.delete(library.owner, NAME, TagName("v1-accelerated"))


def test_a_disabled_and_a_deleted_rule_keep_nothing(library: Library) -> None:
    """P1"""
    kept_by = rule(library)
    library.push("v1")
    switch(library, kept_by, enabled=False)
    second = library.push("v1", layers=(b"other",))
    switch(library, kept_by, enabled=True)
    with pytest.raises(TagImmutable):
        library.push("v1", layers=(b"third",))
    assert digest_of(library, "v1") == second
    assert library.api().delete(f"/instances/ci/immutability-rules/{kept_by}").status == 204
    assert library.push("v1", layers=(b"third",)) == digest_of(library, "v1")


class Unreadable:
    """A table whose rules cannot be read."""

    def __init__(self, library: Library) -> None:
        self._table = library.stack.table

    def __getattr__(self, name: str) -> object:
        return getattr(self._table, name)

    def get_many(self, wanted: list[Key]) -> dict[Key, Item]:
        if any(key.sk.startswith("IMMUTABLE#") for key in wanted):
            raise Unavailable
        return self._table.get_many(wanted)


def test_rules_that_cannot_be_read_refuse_everything_that_would_move_a_tag(library: Library) -> None:
    """P1: checks fail closed, also where there is no rule."""
    first = library.push("v1")
    for data in (b"{}", b"other"):
        push_blob(library.registry, library.owner, data)
    registry = Registry(with_table(library.stack, Unreadable(library)))
    with pytest.raises(Unavailable):
        push_manifest(registry, library.owner, image(b"other"), "v1")
    for reference in (TagName("v1"), first):
        with pytest.raises(Unavailable):
            registry.delete(library.owner, NAME, reference)
    assert digest_of(library, "v1") == first


@pytest.mark.parametrize("way", ["push", "tag", "digest"])
def test_a_rule_made_between_look_and_write_is_obeyed(library: Library, way: str) -> None:
    """P1: the transaction checks the rules that judged it."""
    first = library.push("v1", "v2")
    for data in (b"{}", b"other"):
        push_blob(library.registry, library.owner, data)
    made: list[str] = []

    def quicker() -> None:
        if not made:
            made.append(rule(library, "v1"))

    stack = with_table(library.stack, TableWith(library.stack.table, quicker))
    registry, caller = Registry(stack), library.owner
    ways: dict[str, Callable[[], object]] = {
        "push": lambda: push_manifest(registry, caller, image(b"other"), "v1"),
        "tag": lambda: registry.delete(caller, NAME, TagName("v1")),
        "digest": lambda: registry.delete(caller, NAME, first),
    }
    with pytest.raises(TagImmutable):
        ways[way]()
    assert made
    assert digest_of(library, "v1") == first


def test_a_rule_made_while_many_tags_go_keeps_its_own_and_no_other(library: Library) -> None:
    """P1, P3"""
    first = library.push("v1", "v2")
    made: list[str] = []

    def quicker() -> None:
        if not made:
            made.append(rule(library, "v1"))

    stack = with_table(library.stack, TableWith(library.stack.table, quicker))
    deletion = Deletion(library.instance, library.repository(), "ann")
    outcomes = Retirement(stack).delete_tags(deletion, tags_of(library))
    assert isinstance(outcomes[TagName("v1")], TagImmutable)
    assert outcomes[TagName("v2")] is None
    assert digest_of(library, "v1") == first


def test_many_tags_go_in_few_transactions_and_each_outcome_is_told(library: Library) -> None:
    """N5, P3: those that were kept, moved or gone meanwhile stay out of it."""
    for number in range(0, 45, TAGS_PER_PUSH):
        library.push(*[f"t{number + n:02d}" for n in range(TAGS_PER_PUSH)], layers=(b"%d" % number,))
    rule(library, "t00")
    seen = tags_of(library)
    moved = library.push("t01", layers=(b"moved",))
    library.registry.delete(library.owner, NAME, TagName("t02"))
    transactions: list[None] = []
    stack = with_table(library.stack, TableWith(library.stack.table, lambda: transactions.append(None)))
    outcomes = Retirement(stack).delete_tags(Deletion(library.instance, library.repository(), "ann"), seen)
    left = {name: outcome.code for name, outcome in outcomes.items() if isinstance(outcome, Refused)}
    assert left == {"t00": "TAG_IMMUTABLE", "t01": "CONFLICT", "t02": "NOT_FOUND"}
    assert sum(1 for outcome in outcomes.values() if outcome is None) == 42
    assert {tag.name: tag.digest for tag in tags_of(library)}.keys() == {"t00", "t01"}
    assert digest_of(library, "t01") == moved
    # One step of sixteen met what had changed, and went on one by one; the others took one transaction each.
    assert len(transactions) <= 1 + 16 + 2
    entries = library.stack.table.query(keys.bin_partition(library.instance.id), limit=1000).items
    assert sorted(entry["name"] for entry in entries) == sorted([f"t{n:02d}" for n in range(2, 45)])


def test_as_many_tags_as_a_push_takes_move_at_once_under_the_rules(library: Library) -> None:
    """P1: each from another digest, within what one transaction takes, and in one of them for the deletion too."""
    tags = [f"t{number}" for number in range(TAGS_PER_PUSH)]
    for number, tag in enumerate(tags):
        library.push(tag, layers=(b"%d" % number,))
    kept_by = rule(library, "t0")
    with pytest.raises(TagImmutable):
        library.push(*tags, layers=(b"other",))
    switch(library, kept_by, enabled=False)
    moved = library.push(*tags, layers=(b"other",))
    assert {digest_of(library, tag) for tag in tags} == {moved}
    for number, tag in enumerate(tags):
        library.push(tag, layers=(b"%d" % number,))
    transactions: list[None] = []
    stack = with_table(library.stack, TableWith(library.stack.table, lambda: transactions.append(None)))
    deletion = Deletion(library.instance, library.repository(), "ann")
    assert set(Retirement(stack).delete_tags(deletion, tags_of(library)).values()) == {None}
    assert len(transactions) == 1


def test_the_task_of_many_tags_leaves_what_is_kept_and_says_why(library: Library) -> None:
    """N5"""
    tags = [f"t{number:03d}" for number in range(105)]
    for start in range(0, 105, TAGS_PER_PUSH):
        library.push(*tags[start : start + TAGS_PER_PUSH])
    kept_by = rule(library, "t05*")
    answer = library.api().post(library.path("/tag-deletions"), {"all_matching": {"prefix": "t"}})
    run_tasks(library.stack)
    path = f"/instances/ci/tasks/{answer.json()['id']}"
    assert library.api().get(path).json()["counts"] == {"deleted": 95, "skipped": 10}
    skipped = library.api().get(f"{path}/items", verdict="skipped").json()["items"]
    assert {(one["reason"], one["rule_id"]) for one in skipped} == {("it is immutable", kept_by)}
    assert {tag.name for tag in tags_of(library)} == {f"t05{n}" for n in range(10)}


def test_deletions_through_the_api_name_the_rule_and_dry_runs_show_what_stays(library: Library) -> None:
    """N5, P1"""
    kept_by = rule(library, "keep")
    digest = library.push("keep", "free")
    answer = library.api().delete(library.path("/tags/keep"))
    assert (answer.status, answer.code, answer.json()["context"]["rule"]) == (409, "TAG_IMMUTABLE", kept_by)
    for dry_run in (True, False):
        told = library.api().post(library.path("/tag-deletions"), {"tags": ["keep", "free"], "dry_run": dry_run})
        assert [one["tag"] for one in told.json()["tags"]] == ["free"]
        assert told.json()["kept"] == [
            {"tag": "keep", "digest": digest, "reason": "it is immutable", "rule_id": kept_by}
        ]
        assert (told.json()["missing"], told.json()["digests"]) == ([], [])
        assert told.json()["siblings"] == [{"tag": "keep", "digest": digest}]


def test_an_index_of_many_images_comes_back_from_the_bin_by_a_push(library: Library) -> None:
    """R7: as many as a transaction has room for beside its tags, which is more than sixteen for one tag."""
    children = [image(b"%d" % number) for number in range(17)]
    push_blob(library.registry, library.owner, b"{}")
    for number, child in enumerate(children):
        push_blob(library.registry, library.owner, b"%d" % number)
        push_manifest(library.registry, library.owner, child)
    body = index(*children)
    push_manifest(library.registry, library.owner, body, "v1")
    library.registry.delete(library.owner, NAME, Digest.of(body))
    assert push_manifest(library.registry, library.owner, body, "v1").digest == digest_of(library, "v1")
