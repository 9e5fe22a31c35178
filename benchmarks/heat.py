"""``python -m benchmarks.heat``: which partitions of the table get hot, and at what rate work meets a limit.

    traced      every key that an operation reads or writes on the AWS stack, in request units (``counting``); its ids
                and digests are places to be filled in. `make cost COST=--count` traces anew, into ``heat.json``
    drawn       operations from a stated distribution, each with repositories, tags and digests of its own
    compared    with what one partition takes in a second: 3 000 units of reading, 1 000 of writing

The table goes into docs/scale.md, between two marks. Same record, same draws: the same page.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chalicelib.ports import keys

_FOLDER: Final = Path(__file__).resolve().parent
RECORD: Final = _FOLDER / "heat.json"
PAGE: Final = _FOLDER.parent / "docs" / "scale.md"
BEGIN, END = "<!-- heat: made by python -m benchmarks.heat -->", "<!-- heat ends -->"
# What one partition takes in a second (DynamoDB developer guide, "Designing partition keys").
READS_A_PARTITION: Final = 3000
WRITES_A_PARTITION: Final = 1000
REPOSITORIES: Final = 10_000
INSTANCES: Final = 100
ZIPF: Final = 1.0
# Layers of ten that all images of an instance share.
SHARED_LAYERS: Final = 4
_SEED: Final = 7
# Longer than anything that is not an id: of a digest, a ULID, a moment.
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_ULID: Final = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
# Partitions of the table itself whose keys come in order of time; all of the indexes' do.
_IN_TIME: Final = re.compile(r"(ENTRY|TASK|ITEM|SEAL|DELIVERY)#<(id|moment)>")
_MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}(T[\d:.]+Z?)?")

# Rows that stand side by side, so that writers do not meet.
_COPIES: Final = {"USAGE": keys.USAGE_SHARDS, "IMMUTABLE": keys.POLICY_SHARDS, "HOUR": keys.SERIES_SHARDS}

Trace = list[tuple[str, str, str, str, float]]
"""kind, index, pk, sk, units"""


# Tracing


def traced(heat: Mapping[tuple[str, str, str, str], float], known: Mapping[str, str]) -> Trace:
    """Keys with places instead of ids. known: an id → what it is, such as `instance`."""
    places: dict[str, str] = {}
    summed: Counter[tuple[str, str, str, str]] = Counter()
    for (kind, index, pk, sk), units in sorted(heat.items()):
        text = tuple(_placed(part, known, places) for part in (pk, sk))
        summed[kind, index, text[0], text[1]] += units  # type: ignore[assignment]
    return [(*key, units) for key, units in sorted(summed.items())]


def _placed(text: str, known: Mapping[str, str], places: dict[str, str]) -> str:
    for own, name in known.items():
        text = text.replace(own, f"<{name}>")
    text = _DIGEST.sub(lambda found: places.setdefault(found[0], f"<digest {len(places)}>"), text)
    text = _MOMENT.sub("<moment>", _ULID.sub("<id>", text))
    text = re.sub(r"^(DUE#\w+|UNTOLD|UNSEALED)#\d+", r"\1#<shard>", text)
    return re.sub(r"^(USAGE|IMMUTABLE|HOUR#<moment>)#\d+$", r"\1#<copy>", text)


def traces(told: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, Trace]:
    """Of what was counted: the operations that scenarios draw."""
    return {name: traced(_heat(told[name]), known) for name in sorted({one.trace for one in SCENARIOS})}


def record(counted: Mapping[str, Trace]) -> None:
    rows = {name: ",\n".join(f"  {json.dumps(row)}" for row in trace) for name, trace in counted.items()}
    body = ",\n".join(f' "{name}": [\n{text}\n ]' for name, text in rows.items())
    RECORD.write_text(f"{{\n{body}\n}}\n")


def _heat(parts: Mapping[str, Any]) -> Counter[tuple[str, str, str, str]]:
    total: Counter[tuple[str, str, str, str]] = Counter()
    for part in parts.values():
        total.update(part.heat)
    return total


# Drawing


@dataclass(frozen=True)
class Scenario:
    """tells   what is drawn; unit   what the rate counts; operations   of the trace, e.g. tags of a run of retention"""

    title: str
    trace: str
    tells: str
    unit: str
    draws: int
    one_instance: bool = False
    one_repository: bool = False
    operations: int = 1
    due_shards: int = keys.DUE_SHARDS


SCENARIOS: Final = (
    Scenario("pulls, warm", "manifest_tag_warm", "manifests by tag, repositories by Zipf", "pulls", 20_000),
    Scenario("a hot tag", "manifest_tag_warm", "one `latest`, as when a fleet starts", "pulls", 1000, True, True),
    Scenario("pulls, cold", "manifest_tag_cold", "the same from gateways that remember nothing", "pulls", 8000),
    Scenario("a hot instance, cold", "manifest_tag_cold", "all of one instance", "pulls", 4000, True),
    Scenario("pushes", "push_new", "images of ten layers, repositories by Zipf", "pushes", 600),
    Scenario("mass push, instance", "push_new", "into all repositories of one instance", "pushes", 600, True),
    Scenario("mass push, repository", "push_new", "into one repository", "pushes", 300, True, True),
    Scenario("rebuilds", "push_known", "layers are there, only the config is new", "pushes", 600),
    Scenario("retention night", "retention_20", "runs of 100 instances at once", "tags looked at", 600, operations=20),
)


@dataclass
class Hot:
    """One partition: its units for one operation of the scenario, and the keys in it that they go to."""

    place: str
    kind: str
    units: float
    keys: int
    busiest: float
    in_time: bool

    @property
    def rate(self) -> float:
        """Operations a second at which the partition is full, as long as it is one."""
        return (READS_A_PARTITION if self.kind == "read" else WRITES_A_PARTITION) / self.units

    @property
    def split_rate(self) -> float:
        """The same once it has been split between its keys as far as it can be: one item is never split, and an index
        whose entries come in order of time is written at its end."""
        if self.in_time:
            return self.rate
        return (READS_A_PARTITION if self.kind == "read" else WRITES_A_PARTITION) / self.busiest


def simulate(scenario: Scenario, trace: Trace, seed: int = _SEED) -> list[Hot]:
    """The hottest partition of each kind of key, hottest first."""
    dice = random.Random(seed)
    heat: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    names: dict[tuple[str, str], tuple[str, bool]] = {}
    weights = list(itertools.accumulate(1 / (rank + 1) ** ZIPF for rank in range(REPOSITORIES)))
    ids = itertools.count()
    for _ in range(scenario.draws):
        repository = 0 if scenario.one_repository else dice.choices(range(REPOSITORIES), cum_weights=weights)[0]
        instance = 0 if scenario.one_instance else repository % INSTANCES
        fill = _filler(scenario, dice, ids, instance, repository)
        for kind, index, pk, sk, units in trace:
            partition = (kind, f"{index}|{fill(pk)}")
            heat[partition][fill(sk)] += units  # type: ignore[assignment]
            in_time = names.get(partition, ("", True))[1] and bool(index or _IN_TIME.match(sk))
            names[partition] = f"{pk}{f' in index {index[1]}' if index else ''}", in_time
    return _hottest(scenario, heat, names)


def _filler(
    scenario: Scenario, dice: random.Random, ids: Iterator[int], instance: int, repository: int
) -> Callable[[str], str]:
    """Fills in the places of one operation's keys."""
    own = next(ids)
    shard = dice.randrange(scenario.due_shards)

    def fill(text: str) -> str:
        if "<" not in text:
            return text
        text = text.replace("<instance>", f"i{instance}").replace("<repository>", f"r{repository}")
        text = text.replace("<namespace>", f"n{instance}").replace("<shard>", f"{shard}")
        text = (
            text.replace("<copy>", f"{dice.randrange(_COPIES[text.partition('#')[0]])}") if "<copy>" in text else text
        )
        for number in range(SHARED_LAYERS):
            text = text.replace(f"<digest {number}>", f"shared {number}")
        return re.sub(r"<(?:digest \d+|id|moment)>", lambda place: f"{place[0]}{own}", text)

    return fill


def _hottest(
    scenario: Scenario, heat: Mapping[tuple[str, str], Counter[str]], names: Mapping[tuple[str, str], tuple[str, bool]]
) -> list[Hot]:
    found: dict[tuple[str, str], Hot] = {}
    operations = scenario.draws * scenario.operations
    for (kind, partition), sort_keys in heat.items():
        name, in_time = names[kind, partition]
        units = sum(sort_keys.values()) / operations
        held = found.get((kind, name))
        if held is None or held.units < units:
            busiest = max(sort_keys.values()) / operations
            found[kind, name] = Hot(name, kind, units, len(sort_keys), busiest, in_time)
    return sorted(found.values(), key=lambda hot: hot.rate)


# Telling


def table(told: Mapping[str, Trace], most: int = 4) -> str:
    lines = [
        "| work | full first | what of it | keys | a second, unsplit | a second, split |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for scenario in SCENARIOS:
        for number, hot in enumerate(simulate(scenario, told[scenario.trace])[:most]):
            title = f"**{scenario.title}**: {scenario.tells}" if number == 0 else ""
            lines.append(
                f"| {title} | `{hot.place}` | {hot.units:.3g} {hot.kind}s each of {scenario.unit} | {_keys(hot)} | "
                f"{_rate(hot.rate)} | {_rate(hot.split_rate)} |"
            )
    return "\n".join(lines)


def _keys(hot: Hot) -> str:
    return "by time" if hot.in_time else "one" if hot.keys == 1 else "few" if hot.keys < 50 else "many"


def _rate(rate: float) -> str:
    """Two digits: more would promise too much."""
    digits = len(f"{rate:.0f}") - 2
    return f"{round(rate, -digits):,.0f}" if digits > 0 else f"{rate:.0f}"


def written(page: str, told: Mapping[str, Trace]) -> str:
    """The page with the table of these traces between its marks."""
    head, rest = page.split(BEGIN)
    return f"{head}{BEGIN}\n\n{table(told)}\n\n{END}{rest.split(END)[1]}"


def load() -> dict[str, Trace]:
    raw: dict[str, list[list[Any]]] = json.loads(RECORD.read_text())
    return {name: [(kind, index, pk, sk, units) for kind, index, pk, sk, units in rows] for name, rows in raw.items()}


def main() -> None:
    argparse.ArgumentParser(prog="python -m benchmarks.heat", description=__doc__).parse_args()
    PAGE.write_text(written(PAGE.read_text(), load()))
    sys.stdout.write(table(load()) + "\n")


if __name__ == "__main__":
    main()
