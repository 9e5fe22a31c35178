"""Opening instances of both editions through the API: whole or not at all, every bad field at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.access.service import Access
from chalicelib.audit.models import Filter
from chalicelib.audit.service import Audit
from chalicelib.credentials.service import Credentials
from chalicelib.instances.buckets import Buckets
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import AddressNotAllowed, Conflict
from chalicelib.kernel.roles import Role
from chalicelib.ports import keys
from chalicelib.ports.embedded.stack import create_bucket
from chalicelib.ports.stack import Stack
from tests.management import Api, Reply
from tests.stacks import TableWith, embedded_stack, with_table

from .conftest import BUCKET

SECRET = "a-good-long-password-7"
ENTERPRISE = {
    "name": "ci",
    "edition": "enterprise",
    "bucket": BUCKET,
    "username": "robot",
    "password": SECRET,
    "months": 3,
}
PERSONAL = {"name": "mine", "edition": "personal", "username": "robot", "password": SECRET}


def fields(reply: Reply) -> set[str]:
    return {one["field"] for one in reply.json()["errors"]}


def test_an_enterprise_instance_opens_whole(api: Api, stack: Stack) -> None:
    """I1, I2, I4, G2, G3"""
    opened = api.post("/instances", {**ENTERPRISE, "namespace_packs": 2, "repository_packs": 1, "auto_renew": True})
    assert opened.status == 201
    view = opened.json()
    assert opened.headers["Location"] == f"/api/v1/instances/{view['id']}"
    assert (view["state"], view["bucket"], view["auto_renew"]) == ("running", BUCKET, True)
    assert view["expires_at"] == "2026-04-30T08:00:00.000000Z"
    assert api.get("/account").json()["balance"] == 10_000 - 3 * (780 + 2 * 25 + 100)
    (order,) = api.get("/account/orders").json()["items"]
    assert (order["kind"], order["instance_id"], order["created_by"]) == ("opening", view["id"], "owner")
    instance = Instances(stack).load(view["id"])
    assert (instance.namespace_limit, instance.repository_limit, instance.storage_limit_bytes) == (25, 2000, None)
    assert Credentials(stack).basic(instance, "robot", SECRET, "127.0.0.1").name == "robot"
    Access(stack).admit(instance, "127.0.0.1", internal=False)
    with pytest.raises(AddressNotAllowed):
        Access(stack).admit(instance, "192.0.2.1", internal=False)


def test_a_personal_instance_costs_nothing_lies_in_the_services_bucket_and_is_the_only_one(
    api: Api, stack: Stack
) -> None:
    """I1"""
    view = api.post("/instances", PERSONAL).json()
    assert (view["edition"], view["expires_at"], view["bucket"]) == ("personal", None, stack.settings.bucket)
    assert api.get("/account").json()["balance"] == 10_000
    assert api.get("/account/orders").json()["items"] == []
    second = api.post("/instances", {**PERSONAL, "name": "second"})
    assert (second.status, second.code, fields(second)) == (409, "CONFLICT", {"edition"})
    assert Api.signed_in(stack, account="other").post("/instances", PERSONAL).status == 201


def test_every_bad_field_is_named_at_once(api: Api, stack: Stack) -> None:
    """I2: what its form has against a field and what the account has against it, in one answer."""
    assert api.post("/instances", ENTERPRISE).status == 201
    refused = api.post(
        "/instances",
        {
            "name": "ci",
            "edition": "enterprise",
            "bucket": "another-teams",
            "username": "-",
            "password": "short",
            "months": 37,
            "auto_renew": "yes",
            "namespace_packs": -1,
            "repository_packs": 201,
            "colour": "red",
        },
    )
    assert (refused.status, refused.code) == (400, "INVALID")
    assert fields(refused) == {
        "name",
        "bucket",
        "username",
        "password",
        "months",
        "auto_renew",
        "namespace_packs",
        "repository_packs",
        "colour",
    }
    assert fields(api.post("/instances", {})) == {"name", "edition", "username", "password"}
    assert len(Instances(stack).every()) == 1


@pytest.mark.parametrize(
    ("change", "bad"),
    [
        ({"name": "Bad Name"}, {"name"}),
        ({"edition": "gold"}, {"edition"}),
        ({"bucket": None, "months": None}, {"bucket", "months"}),
        ({"bucket": "../up"}, {"bucket"}),
        ({"bucket": "nowhere"}, {"bucket"}),
        ({"bucket": "bucket"}, {"bucket"}),
        ({"months": 0}, {"months"}),
        ({"months": 1.5}, {"months"}),
        ({"password": "robot-robot-robot"}, {"password"}),
        ({"password": 7, "username": ["x"]}, {"password", "username"}),
        ({"username": "AK01J00000000000000000000000"}, {"username"}),
        ({"edition": "personal"}, {"bucket", "months"}),
        ({"edition": "personal", "bucket": None, "months": None, "namespace_packs": 1}, {"namespace_packs"}),
    ],
)
def test_a_bad_field_opens_nothing_and_costs_nothing(
    api: Api, stack: Stack, change: dict[str, Any], bad: set[str]
) -> None:
    """I2"""
    refused = api.post("/instances", {**ENTERPRISE, **change})
    assert (refused.status, fields(refused)) == (400, bad)
    assert Instances(stack).every() == []
    assert api.get("/account").json()["balance"] == 10_000


def test_a_form_with_more_mistakes_than_are_named_is_refused_whole(api: Api) -> None:
    odd = {name: {"no": "text"} for name in ("name", "bucket", "username", "password")}
    answer = api.post("/instances", {"edition": "enterprise", **odd, **{f"f{number}": 0 for number in range(1001)}})
    assert answer.status == 400, answer.text
    assert fields(answer) == {"body"}


def test_a_name_that_is_taken_is_a_conflict(api: Api, stack: Stack) -> None:
    """I2"""
    assert api.post("/instances", ENTERPRISE).status == 201
    refused = api.post("/instances", ENTERPRISE)
    assert (refused.status, refused.code, fields(refused)) == (409, "CONFLICT", {"name"})


def test_what_the_balance_does_not_cover_is_not_opened(stack: Stack) -> None:
    """I4"""
    refused = Api.signed_in(stack).post("/instances", ENTERPRISE)
    assert (refused.status, refused.code) == (409, "BALANCE_TOO_LOW")
    assert Instances(stack).every() == []


def test_money_spent_meanwhile_opens_nothing(api: Api, stack: Stack) -> None:
    """I4: the forecast saw it, the transaction does not."""

    def spend() -> None:
        if stack.table.get(keys.balance("default")):
            stack.table.delete(keys.balance("default"))

    hurried = Api(with_table(stack, TableWith(stack.table, spend)), api.token)
    assert hurried.post("/instances", ENTERPRISE).code == "BALANCE_TOO_LOW"
    assert Instances(stack).every() == []


def test_of_two_openings_of_one_name_at_once_one_wins_and_one_is_paid(api: Api, stack: Stack) -> None:
    """I2, I4"""
    with ThreadPoolExecutor(6) as threads:
        replies = list(threads.map(lambda _: api.post("/instances", ENTERPRISE), range(6)))
    assert sorted(reply.status for reply in replies) == [201, 409, 409, 409, 409, 409]
    assert len(Instances(stack).every()) == 1
    assert api.get("/account").json()["balance"] == 10_000 - 3 * 780


def test_many_personal_openings_at_once_leave_one(api: Api, stack: Stack) -> None:
    """I1"""
    with ThreadPoolExecutor(6) as threads:
        replies = list(
            threads.map(lambda number: api.post("/instances", {**PERSONAL, "name": f"mine-{number}"}), range(6))
        )
    assert sorted(reply.status for reply in replies) == [201, 409, 409, 409, 409, 409]
    assert len(Instances(stack).every()) == 1


def test_only_the_owner_opens(stack: Stack) -> None:
    """G5"""
    for role in (Role.DEVELOPER, Role.READER, Role.AUDITOR):
        assert Api.signed_in(stack, role).post("/instances", PERSONAL).status == 403


def test_buckets_are_listed_for_their_account_alone(api: Api, stack: Stack) -> None:
    """I2"""
    listed = api.get("/buckets").json()["items"]
    assert listed == [{"name": BUCKET, "claimed_at": "2026-01-31T08:00:00.000000Z"}]
    other = Api.signed_in(stack, account="other")
    assert other.get("/buckets").json()["items"] == []
    other.post("/account/top-ups", {"amount": 10_000})
    foreign, missing = (other.post("/instances", {**ENTERPRISE, "bucket": name}) for name in (BUCKET, "nowhere"))
    assert foreign.json()["errors"] == missing.json()["errors"]


def test_a_bucket_has_one_account(stack: Stack) -> None:
    """I2"""
    create_bucket(stack.settings, "contested")

    def claim(number: int) -> bool:
        try:
            Buckets(stack).claim(f"account-{number}", "contested")
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(claim, range(8))) == 1
    with pytest.raises(Conflict):
        Buckets(stack).claim("default", stack.settings.bucket)


def test_a_bucket_that_does_not_keep_what_it_is_given_is_refused_before_anything_is_paid(
    api: Api, stack: Stack
) -> None:
    """I2"""
    folder = stack.settings.data / "buckets" / BUCKET
    folder.rmdir()
    folder.write_text("a file in the place of the folder")
    with embedded_stack(stack.settings.data.parent, stack.clock) as elsewhere:
        refused = Api(elsewhere, api.token).post("/instances", ENTERPRISE)
    assert (refused.status, fields(refused)) == (400, {"bucket"})
    assert api.get("/account").json()["balance"] == 10_000


def test_an_instance_leaves_nothing_of_its_trial_in_the_bucket(api: Api, stack: Stack) -> None:
    """I2"""
    assert api.post("/instances", ENTERPRISE).status == 201
    assert stack.objects(BUCKET).list("").items == ()


def test_an_opening_is_in_the_accounts_audit_without_its_secret(api: Api, stack: Stack) -> None:
    """G1"""
    assert api.post("/instances", ENTERPRISE).status == 201
    entries = Audit(stack).search("default", Filter(), None, 10).items
    told = [(one.user, one.object_type, one.action, one.object, one.result) for one in entries]
    assert ("owner", "instance", "create", "ci", "succeeded") in told
    assert SECRET not in str(entries)
