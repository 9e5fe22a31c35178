"""The protocols side by side, and the numbers that README.md quotes: `python -m tests.model.protocols`."""

from collections.abc import Iterator
from types import ModuleType
from typing import Any

from . import (
    announcing,
    core,
    departures,
    events,
    holders,
    immutability,
    links,
    namespaces,
    recycling,
    retention,
    revival,
    uploads,
)
from .explore import Outcome, explore

PROTOCOLS: dict[str, ModuleType] = {
    "core": core,
    "uploads": uploads,
    "links": links,
    "holders": holders,
    "recycling": recycling,
    "immutability": immutability,
    "departures": departures,
    "namespaces": namespaces,
    "revival": revival,
    "events": events,
    "announcing": announcing,
    "retention": retention,
}


def run(protocol: ModuleType, rules: Any, scenario: str) -> Outcome:
    world, processes = (protocol.SHORT | protocol.LONG)[scenario]
    at_rest = getattr(protocol, "AT_REST", None)
    return explore(world, processes(rules), protocol.INVARIANTS, limit=20_000_000, at_rest=at_rest)


def counterexamples(protocol: ModuleType, rules: Any) -> Iterator[Outcome]:
    """What the short scenarios find if the registry followed `rules`."""
    for scenario in protocol.SHORT:
        found = run(protocol, rules, scenario)
        if not found.safe:
            yield found


def scenario_line(scenario: str, states: int) -> str:
    return f"| {scenario} | " + f"{states:,}".replace(",", " ") + " |"


def _print_numbers() -> None:
    for name, protocol in PROTOCOLS.items():
        print(f"\n## {name}\n")
        for scenario in protocol.SHORT | protocol.LONG:
            print(scenario_line(scenario, run(protocol, protocol.Rules(), scenario).states))
        for mechanism, rules in core.ablations(protocol.Rules()):
            shortest = min(counterexamples(protocol, rules), key=lambda found: len(found.trace))
            print(f"\n- {mechanism}: {shortest.broken}\n  {' > '.join(shortest.trace)}")


if __name__ == "__main__":
    _print_numbers()
