"""The audit record through the management API: what is in it, and who reads it."""

from __future__ import annotations

import json

import pytest

from chalicelib.accounts.service import Accounts
from chalicelib.audit.models import SERVICE, Filter
from chalicelib.audit.service import Audit
from chalicelib.edge.tally import flush_tallies
from chalicelib.instances.models import Instance
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.management import PASSWORD, Api
from tests.stacks import FrozenClock, make_instance

from .deeds import EVENTS, FIELDS, items


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


def test_a_mistake_in_a_read_is_no_refusal_and_in_a_change_it_is(api: Api) -> None:
    """G1"""
    assert api.get(EVENTS, cursor="not a cursor").status == 400
    assert items(api) == []
    assert api.post("/instances/ci/namespaces", {"name": "library"}).status == 201
    assert api.post("/instances/ci/namespaces", {"name": "library"}).status == 409
    assert sorted(one["result"] for one in items(api)) == ["CONFLICT", "succeeded"]


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
    for path in (EVENTS, f"{EVENTS}/export", "/audit-events", "/audit-events/export"):
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
