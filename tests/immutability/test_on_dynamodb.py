"""P1: immutability on DynamoDB: its story in process on moto, and the race on an engine that knows conflicts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.kernel.errors import TagImmutable
from chalicelib.kernel.names import TagName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.registry.models import TagRecord
from chalicelib.registry.retirement import Deletion, Retirement
from tests.ports_aws.adapters import TABLES, open_engine_table, open_moto_table
from tests.registry.images import NAME
from tests.registry.library import Library
from tests.stacks import FrozenClock, embedded_stack, with_table

from .race import Race
from .ruled import RULES, digest_of, namespace_id, rule, switch

pytestmark = pytest.mark.campaign


@pytest.fixture
def stack(tmp_path: Path, clock: FrozenClock) -> Iterator[Stack]:
    with embedded_stack(tmp_path, clock) as opened, open_moto_table(tmp_path) as table:
        yield with_table(opened, table)


def test_a_rule_is_made_switched_edited_and_deleted_and_keeps_its_tags_meanwhile(library: Library) -> None:
    """P1"""
    kept_by = rule(library, "v*")
    first = library.push("v1", "latest")
    with pytest.raises(TagImmutable):
        library.push("v1", layers=(b"other",))
    for reference in (TagName("v1"), first):
        with pytest.raises(TagImmutable):
            library.registry.delete(library.owner, NAME, reference)
    switch(library, kept_by, enabled=False)
    second = library.push("v1", layers=(b"other",))
    switch(library, kept_by, enabled=True)
    with pytest.raises(TagImmutable):
        library.push("v1", layers=(b"third",))
    assert library.api().get(library.path("/tags/v1")).json()["immutable"] is True
    assert library.api().patch(f"{RULES}/{kept_by}", {"tags": "w*"}).json()["tags"] == "w*"
    assert digest_of(library, "v1") == second
    library.registry.delete(library.owner, NAME, TagName("v1"))
    assert library.api().get(RULES, namespace="library", limit=1).json()["items"][0]["id"] == kept_by
    assert library.api().delete(f"{RULES}/{kept_by}").status == 204
    rows = library.stack.table.query(keys.policies_partition(namespace_id(library))).items
    assert [row["version"] for row in rows] == [5] * keys.POLICY_SHARDS


def test_many_tags_move_and_go_at_once_unless_a_rule_keeps_them(library: Library) -> None:
    """P1, N5"""
    kept_by = rule(library, "t0")
    library.push("t0", "t1", "t2")
    with pytest.raises(TagImmutable):
        library.push("t1", "t0", layers=(b"other",))
    switch(library, kept_by, enabled=False)
    moved = library.push("t1", "t0", layers=(b"other",))
    assert digest_of(library, "t0") == digest_of(library, "t1") == moved
    switch(library, kept_by, enabled=True)
    rows = library.stack.table.query(keys.repository_partition(library.repository().id), prefix="TAG#").items
    seen = [TagRecord.model_validate(row) for row in rows]
    outcomes = Retirement(library.stack).delete_tags(Deletion(library.instance, library.repository(), "ann"), seen)
    assert [name for name, outcome in outcomes.items() if outcome is not None] == ["t0"]


@pytest.mark.skipif("dynoxide" not in TABLES, reason="no table engine: run .ci/install-emulators")
def test_eight_clients_want_one_tag_at_once_where_transactions_meet(tmp_path: Path, clock: FrozenClock) -> None:
    """P1"""
    with embedded_stack(tmp_path, clock) as opened, open_engine_table(tmp_path) as table:
        race = Race(with_table(opened, table))
        assert race.run(range(12)) == []
        assert sum(number for (_, code), number in race.told.items() if code == "TAG_IMMUTABLE") > 0
