"""Y1, Y2. Rules as people make, change and delete them, and what stands in their way."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from chalicelib.chain import CHAIN
from chalicelib.closing.remains import Remains
from chalicelib.edge.consume import handle
from chalicelib.instances.service import Instances
from chalicelib.kernel.errors import Conflict
from chalicelib.kernel.messages import ReleaseInstance
from chalicelib.kernel.roles import Role
from chalicelib.ports import sync_keys as keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Key
from chalicelib.sync.models import NewSyncRule
from chalicelib.sync.service import Sync
from tests.background import run_tasks
from tests.management import Api
from tests.stacks import make_instance, make_namespace

from .estate import Estate


@pytest.fixture
def estate(stack: Stack) -> Estate:
    found = Estate.opened(stack)
    for name in ("test", "stage"):
        make_namespace(stack, found.instance, name)
    return found


def claims(estate: Estate) -> dict[str, str]:
    """Namespace → what it is to rules."""
    rows = estate.stack.table.query(keys.claim("default", "", "").pk).items
    return {row["sk"].partition("#")[2]: row["role"] for row in rows}


def test_rule_is_shown_as_it_was_made(estate: Estate) -> None:
    """Y1: what is not said is all, and nothing is replaced."""
    rule = estate.rule(description="tested ones", source_tags="v*")
    shown = estate.api.get(f"{estate.path}/sync-rules/{rule['id']}").json()
    assert shown == rule
    wanted: dict[str, Any] = {
        "name": "to production",
        "description": "tested ones",
        "content": ["image", "chart"],
        "source_namespace": "dev",
        "source_repositories": "",
        "source_tags": "v*",
        "target_kind": "instance",
        "target_instance": estate.instance.id,
        "target_name": "ci",
        "target_namespace": "prod",
        "override": False,
        "bandwidth": 0,
        "enabled": True,
        "problem": "",
        "created_by": "owner",
    }
    assert {name: shown[name] for name in wanted} == wanted
    assert estate.api.get(f"{estate.path}/sync-rules").json()["items"] == [rule]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"source_namespace": "nowhere"}, "source_namespace"),
        ({"target_namespace": "nowhere"}, "target_namespace"),
        ({"target_namespace": "dev"}, "target_namespace"),
        ({"target_instance": "nobody"}, "target_instance"),
        ({"source_tags": "v*v"}, "source_tags"),
        ({"content": []}, "content"),
        ({"content": ["layer"]}, "content.0"),
        ({"bandwidth": -1}, "bandwidth"),
        ({"bandwidth": 65_535}, "bandwidth"),
        ({"name": ""}, "name"),
    ],
)
def test_what_makes_no_rule_is_refused_by_its_field(estate: Estate, said: dict[str, Any], field: str) -> None:
    answer = estate.ask(**said)
    assert answer.status == 400
    assert field in [error["field"] for error in answer.json()["errors"]], answer.text


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize(
    ("source", "target", "in_the_way"),
    [
        ("test", "prod", "prod is the target"),
        ("prod", "test", "prod is the target"),
        ("test", "dev", "dev is the source"),
        ("prod", "dev", "prod is the target"),
    ],
)
def test_target_of_one_rule_is_nothing_to_another(
    estate: Estate, source: str, target: str, in_the_way: str, enabled: bool
) -> None:
    """Y2: and the refusal names the rule in the way, whether that is enabled or not."""
    rule = estate.rule(enabled=enabled)
    answer = estate.ask(source_namespace=source, target_namespace=target)
    assert (answer.status, answer.code) == (409, "CONFLICT")
    assert f"namespace {in_the_way} of synchronisation rule to production ({rule['id']})" in answer.json()["detail"]


def test_source_is_shared_by_many_rules(estate: Estate) -> None:
    """Y2"""
    estate.rule()
    estate.rule(target_namespace="test")
    assert claims(estate) == {"dev": "source", "prod": "target", "test": "target"}


def test_rules_of_other_instances_stand_in_the_way_too(estate: Estate) -> None:
    """Y2: (instance, namespace) of the whole account; namespaces of one name in two instances are two."""
    far = make_instance(estate.stack, "far", bucket=estate.stack.settings.bucket)
    for name in ("dev", "prod"):
        make_namespace(estate.stack, far, name)
    rule = estate.rule(target_instance="far")
    other = Estate(estate.stack, far)
    refused = other.ask(source_namespace="prod", target_namespace="dev")
    assert refused.status == 409
    assert rule["id"] in refused.json()["detail"]
    assert other.ask(source_namespace="dev", target_instance="ci", target_namespace="prod").status == 201


def test_deleted_rule_leaves_its_namespaces_free(estate: Estate) -> None:
    first, second = estate.rule(), estate.rule(target_namespace="test")
    assert estate.api.delete(f"{estate.path}/sync-rules/{first['id']}").status == 204
    assert claims(estate) == {"dev": "source", "test": "target"}
    assert estate.api.delete(f"{estate.path}/sync-rules/{second['id']}").status == 204
    assert claims(estate) == {}
    assert estate.ask(source_namespace="prod", target_namespace="dev").status == 201


def test_edited_rule_takes_its_claims_along_or_stays(estate: Estate) -> None:
    """Y2"""
    rule, other = estate.rule(), estate.rule(target_namespace="test")
    path = f"{estate.path}/sync-rules/{rule['id']}"
    assert estate.api.patch(path, {"target_namespace": "stage"}).json()["target_namespace"] == "stage"
    assert claims(estate) == {"dev": "source", "stage": "target", "test": "target"}
    refused = estate.api.patch(path, {"target_namespace": "test"})
    assert refused.status == 409
    assert other["id"] in refused.json()["detail"]
    # It may turn round where nobody else is.
    estate.api.delete(f"{estate.path}/sync-rules/{other['id']}")
    turned = estate.api.patch(path, {"source_namespace": "stage", "target_namespace": "dev"})
    assert turned.status == 200, turned.text
    assert claims(estate) == {"stage": "source", "dev": "target"}


def test_of_rules_made_at_once_those_that_exclude_each_other_are_one(estate: Estate) -> None:
    """Y2: in one transaction, however many try."""
    made, refused, sync = [], [], Sync(estate.stack)
    pairs = [("dev", "prod"), ("test", "prod"), ("prod", "dev"), ("prod", "test")] * 2
    together = threading.Barrier(len(pairs))

    def make(source: str, target: str) -> None:
        order: dict[str, Any] = {"source_namespace": source, "target_namespace": target}
        order["target_instance"] = estate.instance.id
        together.wait()
        try:
            made.append(sync.create(estate.instance, NewSyncRule(name="race", **order), "owner"))
        except Conflict as conflict:
            refused.append(conflict.message)

    threads = [threading.Thread(target=make, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) + len(refused) == len(pairs)
    targets = [rule.target_namespace for rule in made]
    sources = {rule.source_namespace for rule in made}
    assert len(targets) == len(set(targets))
    assert sources.isdisjoint(targets)
    assert claims(estate) == {**dict.fromkeys(sources, "source"), **dict.fromkeys(targets, "target")}
    assert all("synchronisation rule race (" in message for message in refused)


def test_rules_go_with_their_instance_and_their_claims_too(estate: Estate) -> None:
    """I6: those of another instance that lead there stay, and say why they bring nothing."""
    far = make_instance(estate.stack, "far", bucket=estate.stack.settings.bucket)
    for name in ("dev", "prod"):
        make_namespace(estate.stack, far, name)
    leads_there = estate.rule(target_instance="far")
    Estate(estate.stack, far).rule(source_namespace="dev", target_instance="ci", target_namespace="stage")
    Instances(estate.stack).change(far, state="releasing", asked_at=estate.stack.clock.now())
    handle(estate.stack, ReleaseInstance(instance_id=far.id), CHAIN)
    run_tasks(estate.stack)
    assert estate.api.get("/instances/far").status == 404
    assert claims(estate) == {"dev": "source", "prod": "target"}
    assert estate.stack.table.query(keys.rules_partition(far.id)).items == ()
    shown = estate.api.get(f"{estate.path}/sync-rules/{leads_there['id']}").json()
    assert (shown["problem"], shown["target_name"]) == ("the target instance is gone", "")
    assert estate.api.delete(f"{estate.path}/sync-rules/{leads_there['id']}").status == 204


def test_personal_instances_synchronise_nothing(estate: Estate) -> None:
    """I3: neither from there nor to there."""
    small = make_instance(estate.stack, "small", edition="personal", bucket=estate.stack.settings.bucket)
    make_namespace(estate.stack, small, "dev")
    make_namespace(estate.stack, small, "prod")
    assert Estate(estate.stack, small).ask().code == "EDITION_REQUIRED"
    assert estate.ask(target_instance="small").code == "EDITION_REQUIRED"


def test_instances_of_other_accounts_are_no_targets(estate: Estate) -> None:
    """Y3: and are not told of."""
    foreign = make_instance(estate.stack, "foreign", account_id="others", bucket=estate.stack.settings.bucket)
    make_namespace(estate.stack, foreign, "prod")
    never = estate.ask(target_instance="01AAAAAAAAAAAAAAAAAAAAAAAA").json()["errors"]
    assert estate.ask(target_instance=foreign.id).json()["errors"] == never


def test_developers_make_rules_and_readers_see_them(estate: Estate) -> None:
    assert estate.ask(role=Role.DEVELOPER).status == 201
    assert estate.ask(role=Role.READER).status == 403
    assert len(Api.signed_in(estate.stack, Role.READER).get(f"{estate.path}/sync-rules").json()["items"]) == 1


def test_rules_of_a_deleted_instance_take_no_claims_of_others_along(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Y2: interrupted after any deletion and repeated, when somebody else fills the same namespace by then."""
    stack = estate.stack
    other, far = Estate.opened(stack, "other"), make_instance(stack, "far", bucket=stack.settings.bucket)
    make_namespace(stack, far, "prod")
    estate.rule(target_instance="far")
    once, remains = Remains._delete, Remains(stack, estate.instance, "")
    (phase,) = (one for one in remains.phases if one.__name__ == "_sync_rules")

    def breaks_off(self: Remains, gone: Sequence[Key]) -> None:
        once(self, gone)
        raise KeyboardInterrupt

    monkeypatch.setattr(Remains, "_delete", breaks_off)
    with pytest.raises(KeyboardInterrupt):
        phase("")
    monkeypatch.setattr(Remains, "_delete", once)
    assert other.ask(target_instance="far").status == 201
    while phase("")[1] is not None:
        pass
    third = Estate.opened(stack, "third")
    assert third.ask(target_instance="far").status == 409


def test_rules_are_searched_and_listed_from_either_end(estate: Estate) -> None:
    """C1"""
    for name, description in (("one", "nightly"), ("two", ""), ("three", "Nightly too")):
        make_namespace(estate.stack, estate.instance, f"to-{name}")
        estate.rule(name=name, description=description, target_namespace=f"to-{name}")
    path = f"{estate.path}/sync-rules"
    found = estate.api.get(path, search="nightly", sort="-created_at").json()["items"]
    assert [one["name"] for one in found] == ["three", "one"]
    assert [one["name"] for one in estate.api.get(path, search="to-two").json()["items"]] == ["two"]
    assert estate.api.get(path, cursor="x").json()["errors"][0]["field"] == "cursor"
    # By name, a page at a time.
    first = estate.api.get(path, sort="-name", limit="2").json()
    rest = estate.api.get(path, sort="-name", limit="2", cursor=first["next"]).json()
    assert [one["name"] for one in first["items"] + rest["items"]] == ["two", "three", "one"]
    assert estate.api.get(path, sort="name", cursor="x").json()["errors"][0]["field"] == "cursor"
