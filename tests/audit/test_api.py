"""The audit record through the management API."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chalicelib.accounts.service import Accounts
from chalicelib.audit.models import SERVICE, Filter
from chalicelib.audit.service import Audit
from chalicelib.edge.tally import flush_tallies
from chalicelib.instances.models import Instance
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.management import PASSWORD, Api
from tests.stacks import FrozenClock, embedded_stack, make_instance

from .deeds import deed

EVENTS = "/instances/ci/audit-events"
FIELDS = {
    "time",
    "user",
    "object_type",
    "namespace",
    "repository",
    "action",
    "result",
    "source_ip",
    "request_id",
    "id",
    "object",
    "count",
}


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def stack(tmp_path: Path, clock: FrozenClock) -> Iterator[Stack]:
    with embedded_stack(tmp_path, clock) as opened:
        yield opened


@pytest.fixture
def instance(stack: Stack) -> Instance:
    return make_instance(stack)


@pytest.fixture
def api(stack: Stack, instance: Instance) -> Api:
    return Api.signed_in(stack)


def items(api: Api, path: str = EVENTS, **query: object) -> list[dict[str, Any]]:
    answer = api.get(path, **query)
    assert answer.status == 200, answer.text
    return list(answer.json()["items"])


def test_a_change_through_the_api_is_one_entry_with_every_field(api: Api, clock: FrozenClock) -> None:
    """G1"""
    made = api.post("/instances/ci/namespaces", {"name": "library"})
    assert made.status == 201
    (entry,) = items(api)
    assert set(entry) == FIELDS
    assert entry["request_id"] == made.headers["X-Request-Id"]
    told = {"user": "owner", "object_type": "namespace", "action": "create", "result": "succeeded", "count": 1}
    assert {name: entry[name] for name in told} == told
    assert (entry["namespace"], entry["source_ip"]) == ("library", "127.0.0.1")
    assert entry["time"] == "2026-01-31T08:00:00.000000Z"


def test_reads_that_succeed_leave_no_entry(api: Api, stack: Stack) -> None:
    """G1"""
    for path in ("/instances/ci", "/instances/ci/namespaces", EVENTS, "/instances"):
        assert api.get(path).status == 200
    flush_tallies(stack)
    assert items(api) == []


def test_a_refusal_of_somebody_known_is_recorded_singly(api: Api, stack: Stack) -> None:
    """G1"""
    reader = Api.signed_in(stack, Role.READER)
    for _ in range(2):
        assert reader.post("/instances/ci/namespaces", {"name": "library"}).status == 403
    told = items(api, "/audit-events", object_type="namespace")
    assert [(one["user"], one["action"], one["result"]) for one in told] == [("reader", "create", "DENIED")] * 2


def test_what_is_foreign_is_recorded_with_the_caller_and_not_with_its_owner(api: Api, stack: Stack) -> None:
    """G1, G5"""
    stranger = Api.signed_in(stack, account="acme")
    assert stranger.get(EVENTS).status == 404
    assert items(api) == []
    told = items(stranger, "/audit-events", keyword="read")
    assert [(one["user"], one["result"]) for one in told] == [("owner", "NOT_FOUND")]


def test_strangers_are_counted_by_address_and_minute(api: Api, stack: Stack, clock: FrozenClock) -> None:
    """G1"""
    for address in ("192.0.2.7", "192.0.2.7", "192.0.2.8"):
        assert Api(stack).at(address).get("/instances/ci").status == 401
        assert Api(stack).at(address).post("/session", {"username": "owner", "password": "wrong"}).status == 401
    clock.advance(60)
    assert Api(stack).at("192.0.2.8").get("/instances/ci").status == 401
    assert Audit(stack).search(SERVICE, Filter(), None, 50).items == ()
    flush_tallies(stack)
    counted = Audit(stack).search(SERVICE, Filter(), None, 50).items
    seen = sorted((f"{one.time:%H:%M}", one.source_ip, one.result, one.count) for one in counted)
    assert seen == [
        ("08:00", "192.0.2.7", "UNAUTHENTICATED", 2),
        ("08:00", "192.0.2.8", "UNAUTHENTICATED", 1),
        ("08:01", "192.0.2.8", "UNAUTHENTICATED", 1),
    ]
    failed = items(api, "/audit-events", object_type="request")
    assert sorted((one["source_ip"], one["count"]) for one in failed) == [("192.0.2.7", 2), ("192.0.2.8", 1)]


def test_a_sign_in_to_an_account_that_is_not_there_makes_no_record_of_it(stack: Stack) -> None:
    Api(stack).post("/session", {"account": "nobodys", "username": "x", "password": "wrong"})
    flush_tallies(stack)
    assert Audit(stack).search("nobodys", Filter(), None, 50).items == ()
    assert len(Audit(stack).search(SERVICE, Filter(), None, 50).items) == 1


def test_refused_addresses_are_counted_with_the_instance(api: Api, stack: Stack) -> None:
    """G1, G2"""
    developer = Api.signed_in(stack, Role.DEVELOPER).at("203.0.113.9")
    api.post("/instances/ci/allowlist", {"cidr": "127.0.0.1/32", "remark": "home"})
    for _ in range(3):
        assert developer.get("/instances/ci/namespaces").code == "ADDRESS_NOT_ALLOWED"
    flush_tallies(stack)
    (entry,) = items(api, object_type="request")
    told = ("", "ADDRESS_NOT_ALLOWED", "203.0.113.9", 3)
    assert (entry["user"], entry["result"], entry["source_ip"], entry["count"]) == told


def test_a_personal_instance_has_no_record_and_says_which_edition_has(stack: Stack) -> None:
    """I3, G1"""
    small = make_instance(stack, "small", "personal")
    api = Api.signed_in(stack)
    assert api.post("/instances/small/namespaces", {"name": "library"}).status == 201
    assert api.get("/instances/small/audit-events").code == "EDITION_REQUIRED"
    assert api.get("/instances/small/audit-events/export").code == "EDITION_REQUIRED"
    assert Audit(stack).search(small.id, Filter(), None, 50).items == ()


def test_the_account_sees_its_sessions_and_nobody_elses(stack: Stack) -> None:
    """G1, G5"""
    Api.signed_in(stack)
    Api.signed_in(stack, account="acme")
    for account in ("default", "acme"):
        assert (
            Api(stack).post("/session", {"account": account, "username": "owner", "password": PASSWORD}).status == 201
        )
    for account in ("default", "acme"):
        told = items(Api.signed_in(stack, account=account), "/audit-events", object_type="session")
        assert [(one["user"], one["action"]) for one in told] == [("owner", "create")]


@pytest.mark.parametrize(("role", "status"), [("owner", 200), ("auditor", 200), ("developer", 403), ("reader", 403)])
def test_owner_and_auditor_read_the_record(stack: Stack, instance: Instance, role: str, status: int) -> None:
    """G1, G5"""
    api = Api.signed_in(stack, Role(role))
    for path in (EVENTS, f"{EVENTS}/export", "/audit-events"):
        assert api.get(path).status == status


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_no_way_leads_to_changing_or_deleting_an_entry(method: str) -> None:
    """G1"""
    import app

    for path, methods in app.app.routes.items():
        assert "audit-events" not in path or method not in methods


def test_no_secret_is_in_the_record(api: Api, stack: Stack) -> None:
    """G1, G3"""
    Api(stack).post("/session", {"username": "owner", "password": PASSWORD})
    Api(stack).post("/session", {"username": "owner", "password": "hunter2-hunter2"})
    api.post("/instances/ci/namespaces", {"name": "library"})
    flush_tallies(stack)
    text = api.get(f"{EVENTS}/export").text + json.dumps(items(api, "/audit-events"))
    assert "library" in text
    for secret in (PASSWORD, "hunter2", api.token):
        assert secret not in text


def fill(stack: Stack, instance: Instance, clock: FrozenClock, **more: Any) -> None:
    """An entry an hour, for two days."""
    audit = Audit(stack)
    for hour in range(48):
        clock.advance(3600)
        kind = "tag" if hour % 3 == 0 else "namespace"
        audit.record(instance.id, deed(clock, object_type=kind, object=str(hour), **more))


def walk(api: Api, **query: object) -> list[str]:
    """Objects of all pages."""
    seen: list[str] = []
    cursor: dict[str, object] = {}
    for _ in range(100):
        page = api.get(EVENTS, **query, **cursor).json()
        seen += [one["object"] for one in page["items"]]
        if page["next"] is None:
            return seen
        cursor = {"cursor": page["next"]}
    raise AssertionError("the pages do not end")


@pytest.fixture
def filled(stack: Stack, instance: Instance, clock: FrozenClock) -> Api:
    fill(stack, instance, clock)
    return Api.signed_in(stack)


@pytest.mark.parametrize("limit", [1, 7, 48, 200])
def test_pages_are_newest_first_and_neither_miss_nor_double(filled: Api, limit: int) -> None:
    """G1"""
    everything = [str(hour) for hour in reversed(range(48))]
    assert walk(filled, limit=limit) == everything
    assert walk(filled, limit=limit, object_type="tag") == [one for one in everything if int(one) % 3 == 0]
    assert walk(filled, limit=limit, keyword="ADA") == everything


def test_a_page_that_shows_the_rest_has_no_cursor(filled: Api) -> None:
    assert filled.get(EVENTS, limit=48).json()["next"] is None


def test_time_range_is_inclusive_and_crosses_days(filled: Api) -> None:
    """G1: hour 0 was filed at 09:00 of the first day."""
    query = {"from": "2026-01-31T23:00:00Z", "to": "2026-02-01T01:00:00Z"}
    assert [one["object"] for one in items(filled, **query)] == ["16", "15", "14"]
    assert [one["object"] for one in items(filled, **query, object_type="tag")] == ["15"]
    far = {"from": "1999-01-01T00:00:00+05:00", "to": "2026-01-31T09:00:00Z"}
    assert [one["object"] for one in items(filled, **far)] == ["0"]
    assert items(filled, **{"from": "2030-01-01T00:00:00Z"}) == []
    assert items(filled, to="2025-01-01T00:00:00Z") == []


@pytest.mark.parametrize(
    ("keyword", "count"),
    [("192.0.2", 48), ("Library", 48), ("APP", 48), ("crea", 48), ("ada", 48), ("tag", 0), ("", 48)],
)
def test_keyword_is_looked_for_in_five_fields(
    stack: Stack, instance: Instance, clock: FrozenClock, keyword: str, count: int
) -> None:
    """G1"""
    fill(stack, instance, clock, namespace="library", repository="library/app")
    assert len(walk(Api.signed_in(stack), keyword=keyword)) == count


def test_a_keyword_pass_looks_at_5000_entries_and_answers_a_cursor(
    stack: Stack, instance: Instance, clock: FrozenClock
) -> None:
    """G1, N4's bound"""
    audit = Audit(stack)
    audit.record(instance.id, deed(clock, user="needle"))
    for _ in range(5001):
        clock.advance(0.001)
        audit.record(instance.id, deed(clock))
    counting = CountedQueries(stack)
    first = Api.signed_in(counting.stack).get(EVENTS, keyword="needle").json()
    assert (first["items"], first["next"] is None) == ([], False)
    assert counting.rows <= 6000
    rest = Api.signed_in(stack).get(EVENTS, keyword="needle", cursor=first["next"]).json()
    assert ([one["user"] for one in rest["items"]], rest["next"]) == (["needle"], None)


class CountedQueries:
    """The audit table, counting the rows that queries of it answer."""

    def __init__(self, stack: Stack) -> None:
        self._table = stack.audit
        self.rows = self.queries = 0
        self.stack = replace(stack, audit=self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def query(self, *args: Any, **more: Any) -> Any:
        page = self._table.query(*args, **more)
        self.queries += 1
        self.rows += len(page.items)
        return page


def test_a_search_by_time_or_type_reads_little_more_than_it_shows(
    stack: Stack, instance: Instance, clock: FrozenClock
) -> None:
    """G1: one indexed pass."""
    fill(stack, instance, clock)
    counting = CountedQueries(stack)
    api = Api.signed_in(counting.stack)
    for query in ({"object_type": "tag"}, {"from": "2026-02-01T10:00:00Z", "to": "2026-02-01T14:00:00Z"}):
        counting.rows = counting.queries = 0
        api.get(EVENTS, limit=5, **query)
        assert (counting.queries <= 3, counting.rows <= 12) == (True, True), (counting.queries, counting.rows)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-01-31T08:00:00"}, "from"),
        ({"to": "0001-01-01T00:00:00+10:00"}, "to"),
        ({"to": "9999-12-31T23:59:59Z"}, "to"),
        ({"from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "from"),
        ({"cursor": "x"}, "cursor"),
        ({"keyword": "x" * 256}, "keyword"),
        ({"user": "ada"}, "user"),
    ],
)
def test_a_bad_field_is_named(api: Api, query: dict[str, str], field: str) -> None:
    for path in (EVENTS, f"{EVENTS}/export"):
        answer = api.get(path, **query)
        assert answer.status == 400, answer.text
        assert [one["field"] for one in answer.json()["errors"]] == [field]


def test_export_as_json_lines_is_the_list(filled: Api) -> None:
    """G1"""
    answer = filled.get(f"{EVENTS}/export", object_type="tag")
    assert answer.headers["Content-Type"] == "application/jsonl"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert lines == items(filled, object_type="tag", limit=200)
    assert "Next-Cursor" not in answer.headers


def test_export_as_csv_has_no_formulas(stack: Stack, instance: Instance, clock: FrozenClock) -> None:
    """G1"""
    bad = ["=1+1", "+1", "-1", "@sum", "\tx", "\rx", "\nx", 'quote"comma,', "plain"]
    for text in bad:
        Audit(stack).record(instance.id, deed(clock, object=text))
        clock.advance(1)
    answer = Api.signed_in(stack).get(f"{EVENTS}/export", format="csv")
    assert answer.headers["Content-Type"] == "text/csv"
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert set(rows[0]) == FIELDS
    told = [row["object"] for row in reversed(rows)]
    assert told == ["'" + text for text in bad[:7]] + bad[7:]


def test_export_goes_on_where_a_call_ended(filled: Api, stack: Stack, instance: Instance) -> None:
    """G1: so many bytes a call, and nothing twice."""
    audit, seen, cursor = Audit(stack), list[str](), None
    for _ in range(48):
        page = audit.export(instance.id, Filter(), cursor, 1000, lambda entry: f"{entry.object:>400}\n")
        assert len(page.items) <= 2
        seen += [line.strip() for line in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert seen == [str(hour) for hour in reversed(range(48))]


def test_export_has_its_columns_named_once(filled: Api) -> None:
    first = filled.get(f"{EVENTS}/export", format="csv").text
    cursor = filled.get(EVENTS, limit=10).json()["next"]
    rest = filled.get(f"{EVENTS}/export", format="csv", cursor=cursor).text
    assert first.startswith("id,time,user")
    assert not rest.startswith("id,")
    assert len(rest.splitlines()) == 38


def test_a_frozen_instance_still_shows_its_record(stack: Stack, clock: FrozenClock) -> None:
    """I6"""
    from datetime import timedelta

    make_instance(stack, "old", expires_at=clock.now() + timedelta(days=1))
    clock.advance(2 * 86400)
    api = Api.signed_in(stack)
    assert api.get("/instances/old/audit-events").status == 200
    assert api.get("/instances/old/namespaces").code == "INSTANCE_FROZEN"
    refused = items(api, "/instances/old/audit-events")
    assert [one["result"] for one in refused] == ["INSTANCE_FROZEN"]


def test_accounts_of_an_operator_are_recorded_where_they_belong(stack: Stack) -> None:
    operator = Api.signed_in(stack, operator=True)
    body = {"name": "acme", "username": "boss", "password": PASSWORD}
    answer = operator.post("/accounts", body)
    assert answer.status == 201, answer.text
    assert Accounts(stack).get("acme").id == "acme"
    everything = [
        *Audit(stack).search("acme", Filter(), None, 9).items,
        *Audit(stack).search("default", Filter(), None, 9).items,
    ]
    assert [(one.user, one.object_type, one.action) for one in everything] == [
        (one.user, "account", "create") for one in everything
    ]
    assert len(everything) == 1
