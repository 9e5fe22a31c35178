"""Which partitions get hot is drawn over traced keys, the same way each time, and docs/scale.md shows it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import heat
from benchmarks.heat import SCENARIOS, Scenario, simulate, traced
from chalicelib.kernel.ids import new_id
from chalicelib.ports import keys, sync_keys

ONE_TAG = Scenario("", "", "", "pulls", draws=200, one_instance=True, one_repository=True)


def test_the_page_shows_the_table_of_the_recorded_keys() -> None:
    page = heat.PAGE.read_text()
    assert heat.written(page, heat.load()) == page, "make cost"


def test_ids_become_places_and_what_is_shared_keeps_its_name() -> None:
    repository, instance, digest = new_id(), new_id(), "sha256:" + "a" * 64
    upload = {("read", "", *keys.upload(new_id())): 1.0}
    edge = {("write", "", *keys.edge(instance, digest, repository, "MANIFEST", new_id())): 2.0}
    due = keys.due("lease", "2026-01-31T08:00:00.000000Z", new_id())
    index = {("write", "i1", due["i1pk"], due["i1sk"]): 1.0}
    trace = traced({**upload, **edge, **index}, {repository: "repository", instance: "instance"})
    assert ("read", "", "UPLOAD#<id>", "UPLOAD", 1.0) in trace
    assert ("write", "", "BLOB#<instance>#<digest 0>", "EDGE#<repository>#MANIFEST#<id>", 2.0) in trace
    assert ("write", "i1", "DUE#lease#<shard>", "<moment>#<id>", 1.0) in trace


def test_one_item_is_full_at_the_limit_of_a_partition_and_never_split() -> None:
    [hot] = simulate(ONE_TAG, [("read", "", "REPO#<repository>", "TAG#latest", 1.0)])
    assert (hot.rate, hot.split_rate) == (3000, 3000)


def test_many_keys_of_a_partition_are_split_but_not_those_that_come_by_time() -> None:
    by_key, by_time = ("write", "", "REPO#<repository>", "LINK#<id>", 1.0), ("write", "i1", "R", "<moment>", 1.0)
    split = {hot.place: hot.split_rate for hot in simulate(ONE_TAG, [by_key, by_time])}
    assert split == {"REPO#<repository>": 200_000, "R in index 1": 1000}


def test_more_shards_stand_more_work() -> None:
    trace = [("write", "i1", "DUE#lease#<shard>", "<moment>", 1.0)]
    few, many = (simulate(replace(ONE_TAG, draws=4000, due_shards=shards), trace)[0].rate for shards in (4, 64))
    assert few == pytest.approx(4000, rel=0.1)
    assert many > 10 * few


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.title)
def test_each_scenario_draws_the_same_each_time_and_over_keys_there_are(scenario: Scenario) -> None:
    trace = heat.load()[scenario.trace]
    short = replace(scenario, draws=50)
    assert simulate(short, trace) == simulate(short, trace)
    maps = (keys.__doc__ or "") + (sync_keys.__doc__ or "")
    documented = {line.split("#")[0].strip() for line in maps.splitlines()}
    for _, index, pk, _, _ in trace:
        assert index or pk.split("#")[0] in documented | {"AUDIT", "SEALS", "UNSEALED"}, pk
