"""The public allowlist through the API: listing, checking, adding, removing, and who gets in meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.access.service import Access
from chalicelib.instances.models import Instance
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.management import Api
from tests.ports_aws.adapters import open_moto_table
from tests.stacks import FrozenClock, embedded_stack, make_instance, with_table

FOREIGN = "203.0.113.9"
PATH = "/instances/ci/allowlist"


@pytest.fixture(params=["embedded", "aws"])
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    with embedded_stack(tmp_path, FrozenClock()) as opened:
        if request.param == "embedded":
            yield opened
        else:
            with open_moto_table(tmp_path) as table:
                yield with_table(opened, table)


@pytest.fixture
def instance(stack: Stack) -> Instance:
    """Lets this machine in, as a new enterprise instance does."""
    made = make_instance(stack)
    Access(stack).add(made, "127.0.0.1/32", "this machine")
    return made


@pytest.fixture
def owner(stack: Stack, instance: Instance) -> Api:
    return Api.signed_in(stack)


def test_entries_are_added_listed_found_and_removed(owner: Api) -> None:
    """G2"""
    made = owner.post(PATH, {"cidr": "192.0.2.0/24", "remark": "Office"})
    assert made.status == 201
    entry = made.json()
    assert {name: entry[name] for name in ("cidr", "remark")} == {"cidr": "192.0.2.0/24", "remark": "Office"}
    assert owner.get(made.headers["Location"].removeprefix("/api/v1")).json() == entry
    owner.post(PATH, {"cidr": "2001:DB8::/32"})
    listed = owner.get(PATH).json()
    assert [one["cidr"] for one in listed["items"]] == ["127.0.0.1/32", "192.0.2.0/24", "2001:db8::/32"]
    assert [one["cidr"] for one in owner.get(PATH, search="office").json()["items"]] == ["192.0.2.0/24"]
    assert owner.delete(f"{PATH}/{entry['id']}").status == 204
    assert owner.delete(f"{PATH}/{entry['id']}").status == 404
    assert owner.get(f"{PATH}/{entry['id']}").status == 404


def test_the_list_is_paged(owner: Api) -> None:
    """G2"""
    for number in range(4):
        owner.post(PATH, {"cidr": f"192.0.2.{number}"})
    seen, cursor = [], None
    while True:
        page = owner.get(PATH, limit=2, **({"cursor": cursor} if cursor else {})).json()
        seen += [one["cidr"] for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
        assert len(page["items"]) == 2
    assert sorted(seen) == ["127.0.0.1/32", *(f"192.0.2.{number}/32" for number in range(4))]
    assert owner.get(PATH, cursor="x").json()["errors"][0]["field"] == "cursor"


@pytest.mark.parametrize(
    ("address", "allowed", "cidr"),
    [
        ("192.0.2.7", True, "192.0.2.0/24"),
        ("::ffff:192.0.2.7", True, "192.0.2.0/24"),
        ("192.0.2.128", True, "192.0.2.128/25"),
        ("192.0.3.1", False, None),
        ("2001:db8:1::1", True, "2001:db8::/32"),
        ("2001:db9::1", False, None),
    ],
)
def test_an_address_is_checked_and_the_narrowest_entry_named(
    owner: Api, address: str, allowed: bool, cidr: str | None
) -> None:
    """G2: IPv4 and IPv6."""
    for entry in ("192.0.2.0/24", "192.0.2.128/25", "2001:db8::/32"):
        owner.post(PATH, {"cidr": entry})
    answer = owner.get(PATH, check=address).json()
    assert (answer["allowed"], answer["entry"] and answer["entry"]["cidr"]) == (allowed, cidr)
    assert answer["address"] == address.removeprefix("::ffff:")


def test_the_list_comes_by_network_too_as_numbers(owner: Api) -> None:
    """G2, C1"""
    for network in ("9.0.0.0/8", "2001:db8::/48", "10.0.0.0/8"):
        owner.post(PATH, {"cidr": network})
    first = owner.get(PATH, sort="cidr", limit=2).json()
    rest = owner.get(PATH, sort="cidr", cursor=first["next"]).json()
    networks = [entry["cidr"] for entry in (*first["items"], *rest["items"])]
    assert networks == ["9.0.0.0/8", "10.0.0.0/8", "127.0.0.1/32", "2001:db8::/48"]
    assert (first["total"], rest["next"]) == (4, None)
    assert [entry["cidr"] for entry in owner.get(PATH, sort="-cidr").json()["items"]] == networks[::-1]


def test_how_it_would_be_after_a_change_is_told_before(owner: Api) -> None:
    """G2: nobody has to be locked out to find out."""
    (first,) = owner.get(PATH).json()["items"]
    made = owner.post(PATH, {"cidr": "203.0.113.0/24"}).json()
    assert owner.get(PATH, check="127.0.0.1", without=first["id"]).json()["allowed"] is False
    assert owner.get(PATH, check="127.0.0.1", without=made["id"]).json()["allowed"] is True
    assert owner.get(PATH, check="192.0.2.1", adding="192.0.2.0/24").json()["allowed"] is True
    assert owner.get(PATH, adding="nowhere").json()["errors"][0]["field"] == "cidr"
    owner.delete(f"{PATH}/{made['id']}")
    assert owner.get(PATH, check="192.0.2.1", without=first["id"]).json()["allowed"] is True


def test_the_list_says_whether_the_caller_itself_gets_in(owner: Api) -> None:
    """G2"""
    here, there = owner.get(PATH).json(), owner.at(FOREIGN).get(PATH).json()
    assert (here["address"], here["allowed"], here["entry"]["cidr"]) == ("127.0.0.1", True, "127.0.0.1/32")
    assert (there["address"], there["allowed"], there["entry"]) == (FOREIGN, False, None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"cidr": "192.0.2.1/24"}, "cidr"),
        ({"cidr": "010.0.0.1"}, "cidr"),
        ({"cidr": "everywhere"}, "cidr"),
        ({"cidr": ""}, "cidr"),
        ({"cidr": "1" * 101}, "cidr"),
        ({"remark": "x"}, "cidr"),
        ({"cidr": "192.0.2.1", "remark": "x" * 201}, "remark"),
        ({"cidr": "192.0.2.1", "note": "x"}, "note"),
    ],
)
def test_a_bad_entry_is_refused_under_its_fields_name(owner: Api, body: dict[str, str], field: str) -> None:
    """G2"""
    answer = owner.post(PATH, body)
    assert (answer.status, answer.json()["errors"][0]["field"]) == (400, field)
    assert len(owner.get(PATH).json()["items"]) == 1


@pytest.mark.parametrize("address", ["x", "127.0.0.1, 192.0.2.1", "192.0.2.0/24"])
def test_what_is_no_address_is_not_checked(owner: Api, address: str) -> None:
    """G2"""
    answer = owner.get(PATH, check=address)
    assert (answer.status, answer.json()["errors"][0]["field"]) == (400, "check")


def test_one_network_is_on_the_list_once(owner: Api) -> None:
    """G2"""
    owner.post(PATH, {"cidr": "2001:db8::1"})
    answer = owner.post(PATH, {"cidr": "2001:0db8::1/128"})
    assert (answer.status, answer.code) == (409, "CONFLICT")


def test_the_last_entry_goes_only_when_everyone_is_meant(owner: Api) -> None:
    """G2"""
    (entry,) = owner.get(PATH).json()["items"]
    for query in ({}, {"confirm": "yes"}, {"confirm": entry["id"]}):
        refused = owner.delete(f"{PATH}/{entry['id']}", **query)
        assert (refused.status, refused.code) == (428, "CONFIRMATION_REQUIRED")
        assert "everybody with credentials" in refused.json()["detail"]
    assert owner.delete(f"{PATH}/{entry['id']}", confirm="open-to-everyone").status == 204
    assert owner.get(PATH, check=FOREIGN).json()["allowed"] is True


def test_the_owner_cannot_be_locked_out_and_others_can(stack: Stack, owner: Api) -> None:
    """G2: the owner reaches the allowlist from anywhere; an auditor only from where the instance is open."""
    (entry,) = owner.get(PATH).json()["items"]
    owner.post(PATH, {"cidr": "198.51.100.0/24", "remark": "a slip"})
    owner.delete(f"{PATH}/{entry['id']}")
    auditor = Api.signed_in(stack, Role.AUDITOR)
    assert auditor.get(PATH).code == "ADDRESS_NOT_ALLOWED"
    assert owner.get(PATH).json()["allowed"] is False
    assert owner.post(PATH, {"cidr": "127.0.0.1"}).status == 201
    assert auditor.get(PATH).status == 200


@pytest.mark.parametrize(("role", "reads"), [(Role.AUDITOR, True), (Role.DEVELOPER, False), (Role.READER, False)])
def test_the_owner_alone_changes_the_list(stack: Stack, owner: Api, role: Role, reads: bool) -> None:
    """G2, G5"""
    (entry,) = owner.get(PATH).json()["items"]
    other = Api.signed_in(stack, role)
    assert (other.get(PATH).status == 200) is reads
    for answer in (
        other.post(PATH, {"cidr": "192.0.2.1"}),
        other.delete(f"{PATH}/{entry['id']}", confirm="open-to-everyone"),
    ):
        assert (answer.status, answer.code) == (403, "DENIED")
    assert owner.get(PATH).json()["items"] == [entry]


def test_a_removal_is_in_force_at_once_for_everybody(stack: Stack, owner: Api, instance: Instance) -> None:
    """G2"""
    entry = owner.post(PATH, {"cidr": FOREIGN}).json()
    auditor = Api.signed_in(stack, Role.AUDITOR).at(FOREIGN)
    assert auditor.get(PATH).status == 200
    assert Access(stack).check(instance, FOREIGN)
    owner.delete(f"{PATH}/{entry['id']}")
    assert auditor.get(PATH).code == "ADDRESS_NOT_ALLOWED"
    assert not Access(stack).check(instance, FOREIGN)
    assert auditor.at(FOREIGN, internal=True).get(PATH).status == 200


def test_a_personal_instance_has_no_list(stack: Stack, owner: Api) -> None:
    """I3"""
    make_instance(stack, "mine", "personal")
    for answer in (owner.get("/instances/mine/allowlist"), owner.post("/instances/mine/allowlist", {"cidr": "::1"})):
        assert (answer.status, answer.code) == (403, "EDITION_REQUIRED")


def test_the_list_stays_open_while_the_instance_is_frozen(stack: Stack, owner: Api) -> None:
    """I6"""
    frozen = make_instance(stack, "frozen", expires_at=stack.clock.now())
    assert owner.post(f"/instances/{frozen.id}/allowlist", {"cidr": "127.0.0.1"}).status == 201
    assert owner.get("/instances/frozen/allowlist").status == 200


def test_anothers_list_is_as_missing_as_none(stack: Stack, owner: Api, instance: Instance) -> None:
    """G5"""
    stranger = Api.signed_in(stack, account="other")
    for answer in (stranger.get(f"/instances/{instance.id}/allowlist"), stranger.get(PATH)):
        assert (answer.status, answer.code) == (404, "NOT_FOUND")
    own = make_instance(stack, "ci", account_id="other")
    (entry,) = owner.get(PATH).json()["items"]
    assert stranger.get(f"/instances/{own.id}/allowlist/{entry['id']}").status == 404
