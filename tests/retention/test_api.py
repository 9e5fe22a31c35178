"""P3–P5 as callers of the API see them."""

from __future__ import annotations

import pytest

from chalicelib.kernel.roles import Role
from chalicelib.retention.models import MOST_RULES
from tests.management import Api
from tests.stacks import FrozenClock, make_instance, make_namespace

from .shelf import Shelf, every_item

RULE = {"repositories": "**", "tags": "v*", "keep_last": 2}
SCHEDULE = {"cron": "30 2 * * *", "timezone": "Europe/Berlin"}


def test_rules_are_made_shown_changed_and_deleted(shelf: Shelf) -> None:
    """P3"""
    api = shelf.api(Role.DEVELOPER)
    made = api.post(f"{shelf.path}/rules", RULE)
    path = f"{shelf.path}/rules/{made.json()['id']}"
    assert made.status == 201
    assert made.headers["Location"].endswith(f"/namespaces/library/retention/rules/{made.json()['id']}")
    assert api.patch(path, {"keep_last": 5}).json()["keep_last"] == 5
    shown = api.get(path).json()
    assert (shown["tags"], shown["keep_last"], shown["created_by"]) == ("v*", 5, "developer")
    listed = api.get(f"{shelf.path}/rules").json()
    assert (listed["items"], listed["total"]) == ([shown], 1)
    assert api.delete(path).status == 204
    assert [api.get(path).status, api.patch(path, {}).status, api.delete(path).status] == [404, 404, 404]


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({**RULE, "tags": "v*x"}, "tags", "character 2"),
        ({**RULE, "repositories": "{a,}"}, "repositories", "character 4"),
        ({**RULE, "keep_last": 0}, "keep_last", "greater than or equal to 1"),
        ({**RULE, "keep_last": "2"}, "keep_last", "integer"),
        ({**RULE, "keep": 2}, "keep", "no such field"),
    ],
)
def test_a_refused_rule_names_the_field(shelf: Shelf, body: object, field: str, words: str) -> None:
    """P2, P3"""
    answer = shelf.api().post(f"{shelf.path}/rules", body)
    assert (answer.status, answer.code) == (400, "INVALID")
    (error,) = answer.json()["errors"]
    assert error["field"] == field
    assert words in error["message"]


def test_there_are_so_many_rules_and_no_more(shelf: Shelf) -> None:
    """P3"""
    for number in range(MOST_RULES):
        shelf.rule(f"v{number}", 1)
    answer = shelf.api().post(f"{shelf.path}/rules", RULE)
    assert (answer.status, answer.code) == (409, "CONFLICT")


def test_a_schedule_is_saved_once_its_rules_were_acknowledged(shelf: Shelf) -> None:
    """P3, P4: without it the answer counts the tags that no pattern matches."""
    shelf.push("v1")
    shelf.push("latest")
    shelf.rule("v*", 2)
    api = shelf.api()
    answer = api.put(shelf.path, {"schedule": SCHEDULE})
    assert (answer.status, answer.code) == (428, "CONFIRMATION_REQUIRED")
    assert "1 tag that no pattern matches goes, such as library/app:latest" in answer.json()["detail"]
    assert api.get(shelf.path).json() == {
        "schedule": None, "next_runs": [], "acknowledged_at": None, "acknowledged_by": "", "run": "",
    }  # fmt: skip
    saved = api.put(shelf.path, {"schedule": SCHEDULE, "acknowledged": True})
    assert (saved.status, saved.json()["acknowledged_by"]) == (200, "owner")
    assert api.get(shelf.path).json() == saved.json()


def test_the_next_five_runs_are_shown_across_a_change_of_the_clock(shelf: Shelf, clock: FrozenClock) -> None:
    """P4: Berlin's clocks go forward on 29 March."""
    clock.advance(55 * 86_400 + 4 * 3600)
    shelf.rule("v*", 2)
    shown = shelf.api().put(shelf.path, {"schedule": SCHEDULE, "acknowledged": True}).json()
    assert [moment[5:16] for moment in shown["next_runs"]] == [
        "03-28T01:30", "03-29T01:00", "03-30T00:30", "03-31T00:30", "04-01T00:30",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("schedule", "field"),
    [
        ({"cron": "@daily", "timezone": "UTC"}, "schedule.cron"),
        ({"cron": "0 0 31 2 *", "timezone": "UTC"}, "schedule.cron"),
        ({"cron": "0 0 * * *", "timezone": "Berlin"}, "schedule.timezone"),
        ({"cron": "0 0 * * *"}, "schedule.timezone"),
    ],
)
def test_a_schedule_that_makes_no_sense_names_the_field(shelf: Shelf, schedule: object, field: str) -> None:
    """P4"""
    answer = shelf.api().put(shelf.path, {"schedule": schedule, "acknowledged": True})
    assert (answer.status, [error["field"] for error in answer.json()["errors"]]) == (400, [field])


def test_rules_of_a_schedule_change_only_with_an_acknowledgement(shelf: Shelf) -> None:
    """P4"""
    rule = shelf.rule("v*", 2)
    api, path = shelf.api(), f"{shelf.path}/rules/{rule.id}"
    assert api.put(shelf.path, {"schedule": SCHEDULE, "acknowledged": True}).status == 200
    refused = [api.post(f"{shelf.path}/rules", RULE), api.patch(path, {"keep_last": 1}), api.delete(path)]
    assert [answer.status for answer in refused] == [428, 428, 428]
    assert api.patch(path, {"keep_last": 1, "acknowledged": True}).status == 200
    assert api.delete(path, acknowledged="true").status == 204


def test_running_asks_for_an_acknowledgement_and_a_dry_run_does_not(shelf: Shelf) -> None:
    """P4, P5"""
    api = shelf.api()
    assert api.post(f"{shelf.path}/runs", {"acknowledged": True}).status == 409
    shelf.rule("v*", 2)
    assert api.post(f"{shelf.path}/runs", {}).code == "CONFIRMATION_REQUIRED"
    accepted = api.post(f"{shelf.path}/runs", {"dry_run": True})
    assert (accepted.status, accepted.json()["kind"], accepted.json()["trigger"]) == (202, "retention", "manual")
    assert accepted.headers["Location"].endswith(f"/tasks/{accepted.json()['id']}")


def test_unmatched_tags_are_listed_by_pages_for_saved_and_for_proposed_rules(shelf: Shelf) -> None:
    """P3: without immutable ones, and without those that follow an original."""
    shelf.push("v1", "latest", "edge", "stable", "stable-accelerated", "odd-accelerated")
    shelf.push("x1", "v9", repository="base")
    shelf.push("x1", repository="other")
    api = shelf.api()
    frozen = {"namespace": "library", "tags": "edge"}
    assert api.post("/instances/ci/immutability-rules", frozen).status == 201
    shelf.rule("v*", 2, "{app,base}")
    unspoken = ["app:latest", "app:odd-accelerated", "app:stable", "base:x1"]
    wanted = [(f"library/{one.split(':')[0]}", one.split(":")[1]) for one in unspoken]
    found = every_item(api, f"{shelf.path}/unmatched-tags")
    assert [(tag["repository"], tag["tag"]) for tag in found] == wanted
    walked: list[tuple[str, str]] = []
    cursor: dict[str, str] = {}
    while True:
        page = api.get(f"{shelf.path}/unmatched-tags", limit=1, **cursor).json()
        walked += [(tag["repository"], tag["tag"]) for tag in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert walked == wanted
    proposed = api.post(f"{shelf.path}/unmatched-tags", {"rules": [{**RULE, "repositories": "other"}]}).json()
    assert [(tag["repository"], tag["tag"]) for tag in proposed["items"]] == [("library/other", "x1")]
    assert api.post(f"{shelf.path}/unmatched-tags", {"rules": []}).json()["items"] == []
    for cursor_of_nobody in ("x", "else/app", "library/app:.."):
        answer = api.get(f"{shelf.path}/unmatched-tags", cursor=cursor_of_nobody)
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, "cursor")


def test_runs_are_listed_newest_first_with_what_they_did(shelf: Shelf) -> None:
    """P5"""
    for tag in ("v1", "v2", "latest"):
        shelf.push(tag)
    shelf.rule("v*", 1)
    dry, run = shelf.run(dry_run=True), shelf.run()
    first, second = shelf.api(Role.READER).get(f"{shelf.path}/runs").json()["items"]
    assert (first["id"], second["id"], first["dry_run"], second["dry_run"]) == (run, dry, False, True)
    for shown in (first, second):
        assert (shown["looked_at"], shown["kept"], shown["deleted"], shown["skipped"]) == (3, 1, 2, 0)
        assert (shown["trigger"], shown["state"], shown["created_by"]) == ("manual", "succeeded", "owner")
        assert shown["created_at"] <= shown["started_at"] <= shown["finished_at"]
    path = f"{shelf.path}/runs"
    page = shelf.api().get(path, limit=1).json()
    assert shelf.api().get(path, limit=1, cursor=page["next"]).json()["items"] == [second]
    items = shelf.api().get(f"{path}/{run}/items", verdict="deleted").json()["items"]
    assert {(item["tag"], item["reason"]) for item in items} == {
        ("v1", "not_among_newest"),
        ("latest", "no_pattern_matches"),
    }
    assert shelf.api().get(f"{path}/01J00000000000000000000000").status == 404
    misspelt = shelf.api().get(f"{path}/{run}/items", verdict="delete")
    assert (misspelt.status, misspelt.json()["errors"][0]["field"]) == (400, "verdict")


def test_runs_of_another_namespace_are_not_to_be_known_of(shelf: Shelf) -> None:
    """P5"""
    shelf.rule("v*", 1)
    run = shelf.run(dry_run=True)
    make_namespace(shelf.stack, shelf.library.instance, "other")
    path = shelf.path.replace("library", "other")
    assert shelf.api().get(f"{path}/runs/{run}").status == 404
    assert shelf.api().get(f"{path}/runs/{run}/items").status == 404


def test_a_personal_instance_has_no_retention(shelf: Shelf) -> None:
    """I3"""
    instance = make_instance(shelf.stack, "small", "personal")
    make_namespace(shelf.stack, instance, "space")
    api: Api = shelf.api()
    answer = api.get("/instances/small/namespaces/space/retention")
    assert (answer.status, answer.code) == (403, "EDITION_REQUIRED")


def test_a_reader_looks_and_changes_nothing(shelf: Shelf) -> None:
    """G1"""
    shelf.rule("v*", 1)
    reader = shelf.api(Role.READER)
    assert reader.get(shelf.path).status == 200
    refused = [
        reader.put(shelf.path, {"schedule": None}),
        reader.post(f"{shelf.path}/rules", RULE),
        reader.post(f"{shelf.path}/runs", {"dry_run": True}),
    ]
    assert [answer.status for answer in refused] == [403, 403, 403]


def test_the_overview_says_of_each_namespace_what_it_has(shelf: Shelf) -> None:
    """P3, P4, C1"""
    make_namespace(shelf.stack, shelf.library.instance, "tools")
    shelf.push("v1", "v2", "v3")
    shelf.rule("v*", 2)
    run = shelf.run()
    assert shelf.api().put(shelf.path, {"schedule": SCHEDULE, "acknowledged": True}).status == 200
    shown = shelf.api(Role.READER).get("/instances/ci/retention").json()["items"]
    assert [(one["namespace"], one["rules"]) for one in shown] == [("library", 1), ("tools", 0)]
    assert shown[0]["schedule"] == SCHEDULE
    assert shown[0]["next_run"] == shelf.api().get(shelf.path).json()["next_runs"][0]
    assert (shown[0]["last_run"]["id"], shown[0]["last_run"]["deleted"]) == (run, 1)
    assert (shown[1]["schedule"], shown[1]["next_run"], shown[1]["last_run"]) == (None, None, None)
    assert [one["namespace"] for one in shelf.api().get("/instances/ci/retention", sort="-name").json()["items"]] == [
        "tools",
        "library",
    ]
    assert len(shelf.api().get("/instances/ci/retention", search="oo").json()["items"]) == 1


def test_a_schedule_is_tried_out_before_it_is_saved(shelf: Shelf) -> None:
    """P4, C1"""
    tried = shelf.api(Role.READER).get(f"{shelf.path}/next-runs", **SCHEDULE).json()["next_runs"]
    assert shelf.api().get(shelf.path).json()["schedule"] is None
    shelf.api().put(shelf.path, {"schedule": SCHEDULE, "acknowledged": True})
    assert (len(tried), tried) == (5, shelf.api().get(shelf.path).json()["next_runs"])
    refused = shelf.api().get(f"{shelf.path}/next-runs", cron="61 2 * * *", timezone="UTC")
    assert [one["field"] for one in refused.json()["errors"]] == ["cron"]


def test_runs_are_sorted_and_dry_ones_found_apart(shelf: Shelf) -> None:
    """P4, P5, C1"""
    shelf.push("v1")
    shelf.rule("v*", 1)
    dry, real = shelf.run(dry_run=True), shelf.run()

    def runs(**query: object) -> list[str]:
        return [one["id"] for one in shelf.api().get(f"{shelf.path}/runs", **query).json()["items"]]

    assert (runs(), runs(sort="created_at")) == ([real, dry], [dry, real])
    assert (runs(dry_run=True), runs(dry_run=False)) == ([dry], [real])
    assert shelf.api().get(f"{shelf.path}/runs", cursor="elsewhere").status == 400
