"""No interleaving loses anything; without any one mechanism some interleaving does (R1, R7, X1, P1, P5, N2, X5)."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from . import core, holders, links, recycling, uploads
from .explore import NO_REST, Outcome
from .protocols import PROTOCOLS, counterexamples, run, scenario_line

README = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")

# Of more than a million states each: up to two minutes, and 2 GB.
LARGE = {
    "one manifest pushed twice, a death, two collectors, a reaper",
    "two pushes, three collectors",
    "two uploads, a push, two collectors",
    "two uploads, a push, a person's delete, a release, a collector",
    "two first pushes, a deletion, three edits beside each other",
}
SHORT = [pytest.param(name, scenario) for name, protocol in PROTOCOLS.items() for scenario in protocol.SHORT]
LONG = [
    pytest.param(name, scenario, marks=pytest.mark.exhaustive if scenario in LARGE else pytest.mark.campaign)
    for name, protocol in PROTOCOLS.items()
    for scenario in protocol.LONG
]
MECHANISMS = [
    pytest.param(name, mechanism, rules, id=f"{name}-{mechanism}")
    for name, protocol in PROTOCOLS.items()
    for mechanism, rules in core.ablations(protocol.Rules())
]
# Steps that a scenario without them would make idle; the searches below have to take each at least once.
TELLING_STEPS = {
    "core": {"upload object", "rescue", "restore", "doom", "delete head", "abort intent", "remove edge"},
    "uploads": {
        "claim head",
        "rescue",
        "throw ours away",
        "look once more",
        "answer 201",
        "answer 200",
        "answer blob unknown",
        "answer upload unknown",
        "remove lease",
        "delete rubbish",
        "doom",
    },
    "links": {"rescue link", "rescue head", "set link", "restore link", "delete link", "answer blob unknown", "doom"},
    "holders": {"bump child", "kill", "hide", "commit again", "commit new", "remove hold", "answer manifest unknown"},
    "recycling": {"delete tag", "restore tag", "expire", "kill", "commit again", "commit new", "rescue", "doom"},
    "immutability": {"answer immutable", "answer pushed", "restore tag", "write policy"},
    "departures": {"leave", "look back", "come back", "answer conflict", "expire", "commit", "delete pointer"},
    "namespaces": {"take along", "leave", "create", "bring back", "open", "answer conflict", "mark end", "purge"},
    "revival": {"commit", "revive", "answer", "announce again", "hide", "answer in use"},
    "events": {"blow", "delete late object", "settle", "put object"},
    "announcing": {"end", "put deliveries", "take off"},
    "retention": {"note", "delete", "advance", "run out"},
}


@cache
def searched(name: str, scenario: str) -> Outcome:
    """Without the worlds, of which there are many."""
    protocol = PROTOCOLS[name]
    return run(protocol, protocol.Rules(), scenario)._replace(worlds=())


@pytest.mark.parametrize(("name", "scenario"), SHORT + LONG)
def test_no_interleaving_of_the_protocol_loses_anything(name: str, scenario: str) -> None:
    """Short scenarios in every run, those of more processes as campaigns, the largest where everything is tried."""
    found = searched(name, scenario)
    assert found.safe, "\n".join((str(found.broken), *found.trace))
    assert scenario_line(scenario, found.states) in README


@pytest.mark.parametrize(("name", "mechanism", "rules"), MECHANISMS)
def test_without_one_mechanism_something_is_lost(name: str, mechanism: str, rules: Any) -> None:
    found = next(counterexamples(PROTOCOLS[name], rules), None)
    assert found is not None, f"{mechanism} isn't needed: take it out of the protocol"
    assert found.broken in {**PROTOCOLS[name].INVARIANTS, **getattr(PROTOCOLS[name], "AT_REST", {}), NO_REST: None}
    assert f"| `{mechanism}` |" in README.split(f"\n## {name}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_searches_reach_every_telling_step(name: str) -> None:
    protocol = PROTOCOLS[name]
    small = [scenario for scenario in protocol.SHORT if scenario != "two pushes, a death, two collectors, a reaper"]
    fired = {step for scenario in small for _, step in searched(name, scenario).fired}
    assert not TELLING_STEPS[name] - fired


def test_a_blob_nobody_holds_is_collected_and_may_come_back() -> None:
    worlds = run(core, core.Rules(), "two pushes, a death, one collector, a reaper").worlds
    assert any(world.head is None and not world.objects for world in worlds)
    assert any(world.manifests and world.head.generation == 2 for world in worlds)


def test_an_expired_upload_may_be_collected_and_its_push_refused() -> None:
    found = run(uploads, uploads.Rules(), "an upload of a known blob, a renewal, a push")
    assert ("push", "answer blob unknown") in found.fired
    assert any(world.promised and not core.downloadable(world) for world in found.worlds)


def test_a_person_may_delete_a_blob_that_only_a_lease_holds() -> None:
    worlds = run(links, links.Rules(), "an upload, a push, a person's delete, a release").worlds
    assert any(world.lease and world.link is None for world in worlds)


def test_an_expired_bin_entry_frees_manifest_and_blob() -> None:
    worlds = run(
        recycling, recycling.Rules(), "an entry restored twice, expired, pushed over; a sweep, a collector"
    ).worlds
    assert any(world.ended and world.manifest is None and world.head is None for world in worlds)


@pytest.mark.parametrize("order", holders.ORDERS)
def test_an_index_push_holds_its_children_only_in_an_order_that_is_safe(order: str) -> None:
    rules, safe = holders.ORDERS[order]
    assert (next(counterexamples(holders, rules), None) is None) is safe
    assert f"| {order} | {'safe' if safe else 'loses a child'} |" in README
