"""docs/cost.md says what the code does: counts are those of today, the page follows from them, and units are AWS's."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

import app
from benchmarks import cost, heat
from benchmarks.cost_model import Model, Part, combined
from benchmarks.cost_operations import Measured, measure
from benchmarks.counting import index_units, read_units, size_of, write_units
from infra import queues, template

RECORD: dict[str, Any] = json.loads(cost.RECORD.read_text())
MODEL = Model(cost.load("prices.toml"), cost.load("users.toml"), cost.memory_mb())
TOLD = cost.operations(RECORD)
AGAIN = "count again: make cost COST=--count"


@pytest.fixture(scope="module")
def today() -> Measured:
    return measure()


def recorded(name: str) -> dict[str, Any]:
    rows = RECORD["operations"][name]
    return {part: {kind: row[kind] for kind in ("units", "calls")} for part, row in rows.items()}


@pytest.mark.campaign
def test_no_operation_asks_for_more_or_less_than_is_recorded(today: Measured) -> None:
    """Counts do not change unseen: the page, and what people pay, follows from them."""
    for name, parts in today.told.items():
        counted = cost.as_rows(parts)
        if name == "retention_20":
            # How many of the 16 copies of the rules a batch of tags meets follows from the repository's id.
            assert counted["tasks"]["units"] == pytest.approx(recorded(name)["tasks"]["units"], abs=12), AGAIN
            counted["tasks"]["units"] = recorded(name)["tasks"]["units"]
        assert counted == recorded(name), f"{name}: {AGAIN}"
    assert set(RECORD["operations"]) - set(today.told) == {"retention_120"}


@pytest.mark.campaign
def test_operations_touch_the_keys_that_heat_is_drawn_over(today: Measured) -> None:
    def without_copies(traces: dict[str, heat.Trace]) -> dict[str, heat.Trace]:
        return {name: [row for row in trace if "IMMUTABLE" not in row[3]] for name, trace in traces.items()}

    assert without_copies(heat.traces(today.told, today.known)) == without_copies(heat.load()), AGAIN


@pytest.mark.campaign
def test_rows_take_the_bytes_that_are_recorded(today: Measured) -> None:
    """A digit of a size or a number more or less is none of it."""
    assert today.row_bytes == pytest.approx(RECORD["row_bytes"], rel=0.005), AGAIN


def test_the_page_is_made_of_the_record_and_the_prices() -> None:
    assert cost.write_page(RECORD) == cost.PAGE.read_text(), "make cost"


def test_every_price_says_where_it_stands_and_who_quotes_it() -> None:
    for service, items in cost.load("prices.toml").items():
        for item, price in items.items():
            assert price["dollars"] > 0, (service, item)
            assert price["page"], (service, item)
            assert price["seen"], (service, item)


def test_a_warm_pull_by_digest_reads_no_table_and_one_by_tag_one_item() -> None:
    assert "rru" not in recorded("manifest_digest_warm")["gateway"]["units"]
    assert recorded("manifest_tag_warm")["gateway"]["calls"] == {"dynamodb.GetItem": 1}


# Units


@pytest.mark.parametrize(
    ("size", "consistent", "units"),
    [(0, True, 1), (4096, True, 1), (4097, True, 2), (4096, False, 0.5), (9000, False, 1.5)],
)
def test_reads_are_rounded_up_to_four_kilobytes(size: int, consistent: bool, units: float) -> None:
    assert read_units(size, consistent=consistent) == units


def item(size: int, **more: str) -> dict[str, Any]:
    made: dict[str, Any] = {"pk": "p", "sk": "s", **more, "body": ""}
    return {**made, "body": "x" * (size - size_of(made))}


def test_writes_are_those_of_the_larger_item_and_an_absent_one_costs_one() -> None:
    assert write_units(None, None) == 1
    assert write_units(None, item(1024)) == 1
    assert write_units(item(1025), item(100)) == 2


IN_INDEX = {"i1pk": "DUE", "i1sk": "1"}


@pytest.mark.parametrize(
    ("before", "after", "units"),
    [
        (None, item(200), 0),
        (None, item(200, **IN_INDEX), 1),
        (item(200, **IN_INDEX), item(200), 1),
        (item(200, **IN_INDEX), item(200, **IN_INDEX), 0),
        (item(200, **IN_INDEX), item(300, **IN_INDEX), 1),
        (item(200, **IN_INDEX), item(200, i1pk="DUE", i1sk="2"), 2),
        (None, item(200, **IN_INDEX, i2pk="TOLD", i2sk="1"), 2),
        (None, item(1025, **IN_INDEX), 2),
    ],
)
def test_an_index_costs_what_changes_in_it(before: Any, after: Any, units: int) -> None:
    assert index_units(before, after) == units


# Dollars


def test_a_million_reads_cost_the_price_of_a_million_reads() -> None:
    once = {"client": Part({"rru": 1_000_000}, {}, 0.0)}
    assert MODEL.dollars(once) == pytest.approx(MODEL.price("dynamodb.read"))
    assert MODEL.dollars(combined((once, 3))) == pytest.approx(3 * MODEL.price("dynamodb.read"))


def test_a_function_is_billed_for_its_share_of_a_processor_and_for_waiting() -> None:
    """512 MB of 1769 are a share of 0.29; two answers of the table take 5 ms each."""
    part = Part({"invocations": 1}, {"dynamodb.GetItem": 2}, 2.89)
    assert MODEL.milliseconds("tasks", part) == pytest.approx(20, abs=0.1)


def test_storage_above_the_first_tier_costs_the_next_ones_price() -> None:
    first, following = MODEL.price("s3.storage"), MODEL.price("s3.storage_next")
    assert MODEL.tiered("s3.storage", 60_000) == pytest.approx(50_000 * first + 10_000 * following)


def test_more_pulls_need_more_tasks() -> None:
    user = cost.load("users.toml")["company"]
    more = {**user, "pulls": 400_000_000}
    assert MODEL.tasks(MODEL.used(TOLD, user), 2) == 2
    assert MODEL.tasks(MODEL.used(TOLD, more), 2) > 4


def test_the_service_that_is_reckoned_is_the_one_that_is_deployed() -> None:
    service, built = cost.load("users.toml")["service"], template.build(app.app)
    chosen = ("WithScannerImage", "WithVulnerabilityLogin")
    always = [one for one in built["Resources"].values() if one.get("Condition") not in chosen]
    found = Counter(resource.get("Type") for resource in always)
    assert service["alarms"] == found["AWS::CloudWatch::Alarm"]
    assert service["balancers"] == found["AWS::ElasticLoadBalancingV2::LoadBalancer"]
    assert service["queues"] == len(queues.listeners(app.app))
    assert service["secrets"] == found["AWS::SecretsManager::Secret"]
    assert service["keys"] == found["AWS::KMS::Key"]
    given = {name: parameter.get("Default") for name, parameter in built["Parameters"].items()}
    assert service["task_vcpu"] * 1024 == int(given["GatewayCpu"])
    assert service["task_gb"] * 1024 == int(given["GatewayMemory"])
    assert cost.load("users.toml")["team"]["tasks"] == given["GatewayMin"]
