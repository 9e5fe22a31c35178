"""X6: a namespace's pull policy is set, shown, changed by one at a time, and goes and comes back with its namespace."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.audit.models import Filter
from chalicelib.audit.service import Audit
from chalicelib.kernel.errors import PullBlocked
from chalicelib.kernel.names import NamespaceName, TagName
from chalicelib.kernel.roles import Role
from chalicelib.namespaces.models import NamespaceEdit
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import OutcomeUnknown, Update
from chalicelib.pull_policies.models import MOST_EXCEPTIONS, PolicyOrder
from chalicelib.pull_policies.service import PullPolicies
from tests.background import run_background, run_tasks
from tests.immutability.test_api import Unsure
from tests.management import Api
from tests.registry.images import NAME
from tests.registry.library import DAY, Library
from tests.stacks import FrozenClock, TableWith, make_instance, make_namespace, with_table

from .gated import path_of, scanned, set_policy

PATH = path_of("ci")
EXCEPTION = {"id": "CVE-2026-0001", "reason": "not reachable", "expires_at": None}


@pytest.fixture
def library(stack: Stack) -> Library:
    return Library.opened(stack)


def refused(library: Library) -> bool:
    """Whether a pull of `library/app:v1` is."""
    try:
        library.registry.pull(library.owner, NAME, TagName("v1"))
    except PullBlocked:
        return True
    return False


def test_a_namespace_without_a_policy_says_so(library: Library) -> None:
    """X6"""
    assert library.api(Role.READER).get(PATH).json() == {
        "severity": None,
        "unscanned": "allow",
        "exceptions": [],
        "version": 0,
        "updated_at": None,
        "updated_by": "",
    }


def test_a_policy_says_all_it_is_and_which_exceptions_expired(library: Library, clock: FrozenClock) -> None:
    """X6: an expired one is still shown, so that somebody may renew it."""
    soon = {**EXCEPTION, "id": "GHSA-jfh8-c2jp-5v3q", "expires_at": "2026-01-31T09:00:00Z"}
    made = set_policy(library.stack, "ci", "medium", unscanned="block", exceptions=[EXCEPTION, soon])
    assert made == {
        "severity": "medium",
        "unscanned": "block",
        "exceptions": [
            {**EXCEPTION, "expired": False},
            {**soon, "expires_at": "2026-01-31T09:00:00.000000Z", "expired": False},
        ],
        "version": 1,
        "updated_at": "2026-01-31T08:00:00.000000Z",
        "updated_by": "developer",
    }
    clock.advance(3600)
    assert [one["expired"] for one in library.api().get(PATH).json()["exceptions"]] == [False, True]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"severity": "severe"}, "severity"),
        ({"severity": "unknown"}, "severity"),
        ({"severity": "high", "unscanned": "maybe"}, "unscanned"),
        ({"severity": None, "unscanned": "block"}, "unscanned"),
        ({"severity": "high", "exceptions": [{**EXCEPTION, "reason": " "}]}, "exceptions.0.reason"),
        ({"severity": "high", "exceptions": [{**EXCEPTION, "id": "CVE *"}]}, "exceptions.0.id"),
        ({"severity": "high", "exceptions": [{**EXCEPTION, "expires_at": "soon"}]}, "exceptions.0.expires_at"),
        ({"severity": "high", "exceptions": [EXCEPTION, {**EXCEPTION, "id": "cve-2026-0001"}]}, "exceptions.1.id"),
        ({"severity": "high", "exceptions": [EXCEPTION] * (MOST_EXCEPTIONS + 1)}, "exceptions"),
        ({"severity": "high", "version": -1}, "version"),
        ({"severity": "high", "blocked": True}, "blocked"),
        ({}, "severity"),
    ],
)
def test_what_makes_no_policy_is_refused_by_its_field(library: Library, body: dict[str, Any], field: str) -> None:
    """X6: and changes nothing."""
    answer = library.api().put(PATH, {"version": 0, **body})
    assert answer.status == 400
    assert [one["field"] for one in answer.json()["errors"]] == [field]
    assert library.api().get(PATH).json()["version"] == 0


def test_as_many_exceptions_as_are_allowed_fit_into_the_table(library: Library) -> None:
    """X6: with the longest reasons there are, of the widest characters."""
    many = [{"id": f"CVE-2026-{n:054d}", "reason": "\U0001f512" * 300, "expires_at": None} for n in range(200)]
    assert len(set_policy(library.stack, "ci", exceptions=many)["exceptions"]) == MOST_EXCEPTIONS


def test_of_two_who_change_a_policy_at_once_the_second_is_told(library: Library) -> None:
    """X6: no edit is lost to another."""
    api, order = library.api(), {"severity": "high", "version": 0}
    assert api.put(PATH, order).json()["version"] == 1
    late = api.put(PATH, {**order, "severity": "low"})
    assert (late.status, late.code) == (409, "CONFLICT")
    assert (api.get(PATH).json()["severity"], api.get(PATH).json()["version"]) == ("high", 1)


def test_who_names_no_version_replaces_whatever_stands(library: Library) -> None:
    """X6: the fields that clients know are enough, the first time and later."""
    api = library.api()
    order = {"severity": "high", "unscanned": "block", "exceptions": [EXCEPTION]}
    versions = [api.put(PATH, {**order, "severity": severity}).json()["version"] for severity in ("high", "low")]
    assert versions == [1, 2]
    assert api.get(PATH).json()["severity"] == "low"


@pytest.mark.parametrize("outcome", ["done, unsaid", "lost"])
def test_a_change_that_nobody_answered_for_is_made_or_not_made(library: Library, outcome: str) -> None:
    """X6"""
    unsure = PullPolicies(with_table(library.stack, Unsure(library.stack.table, [outcome])))
    namespace = Namespaces(library.stack).get(library.instance.id, "library", fresh=True)
    if outcome == "lost":
        with pytest.raises(OutcomeUnknown):
            unsure.replace(namespace, PolicyOrder(severity="high", version=0), "ann")
    else:
        assert unsure.replace(namespace, PolicyOrder(severity="high", version=0), "ann").version == 1
    assert library.api().get(PATH).json()["version"] == (0 if outcome == "lost" else 1)


def test_readers_change_nothing_both_editions_have_policies_and_strangers_see_none(library: Library) -> None:
    """I3, X6"""
    for role in (Role.READER, Role.AUDITOR):
        assert library.api(role).get(PATH).status == 200
        assert library.api(role).put(PATH, {"severity": "high", "version": 0}).status == 403
    make_namespace(library.stack, make_instance(library.stack, "small", "personal"))
    assert set_policy(library.stack, "small")["severity"] == "high"
    stranger = Api.signed_in(library.stack, account="strangers")
    assert stranger.get(PATH).status == stranger.put(PATH, {"severity": "high", "version": 0}).status == 404
    assert library.api().get(path_of("ci", "nope")).status == 404


def test_every_change_is_recorded(library: Library) -> None:
    """G1, X6"""
    set_policy(library.stack, "ci")
    set_policy(library.stack, "ci", None)
    library.api().put(PATH, {"severity": "low", "version": 0})
    found = Audit(library.stack).search(library.instance.id, Filter(object_type="pull_policy"), None, 50).items
    told = [(one.action, one.namespace, one.object, one.result) for one in found]
    assert sorted(told) == [
        ("edit", "library", "high", "succeeded"),
        ("edit", "library", "low", "CONFLICT"),
        ("edit", "library", "none", "succeeded"),
    ]


# With its namespace


def test_an_edit_of_the_namespace_leaves_its_policy_in_force(library: Library) -> None:
    """X6"""
    scanned(library.stack, library.instance.id, library.push("v1"))
    set_policy(library.stack, "ci")
    Namespaces(library.stack).edit(library.instance, "library", NamespaceEdit(scan_on_push=True))
    assert refused(library)


def test_a_policy_comes_back_with_its_namespace_under_whatever_name(library: Library, stack: Stack) -> None:
    """N2, X6: and a new namespace of the old name has none."""
    scanned(stack, library.instance.id, library.push("v1"))
    set_policy(stack, "ci")
    library.api().delete("/instances/ci/namespaces/library", confirm="library")
    run_tasks(stack)
    make_namespace(stack, library.instance)
    assert library.api().get(PATH).json()["severity"] is None
    (entry,) = library.api().get("/instances/ci/recycle-bin").json()["items"]
    # As an older version of this code leaves it there, which knows of no policies.
    key = keys.bin_entry(library.instance.id, entry["id"])
    record = dict((stack.table.get(key) or {})["record"])
    del record["pull_policy"]
    stack.table.update(Update(key, set={"record": record}))
    restored = library.api().post(f"/instances/ci/recycle-bin/{entry['id']}/restore", {"name": "back"})
    assert restored.status == 202, restored.text
    run_tasks(stack)
    assert library.api().get(path_of("ci", "back")).json()["severity"] == "high"
    with pytest.raises(PullBlocked):
        library.registry.pull(library.owner, type(NAME)("back/app"), TagName("v1"))


def test_a_policy_goes_for_good_with_its_namespace(library: Library, stack: Stack, clock: FrozenClock) -> None:
    """N2, X6"""
    set_policy(stack, "ci")
    old = Namespaces(stack).get(library.instance.id, "library", fresh=True).id
    library.api().delete("/instances/ci/namespaces/library", confirm="library")
    run_tasks(stack)
    for days in (8, 2):
        clock.advance(days * DAY)
        run_background(stack)
    assert stack.table.query(keys.policies_partition(old)).items == ()


def test_a_policy_of_a_namespace_that_leaves_meanwhile_is_not_left_behind(library: Library) -> None:
    """N2, X6"""
    asked: list[int] = []

    def quicker() -> None:
        if not asked:
            asked.append(1)
            asked.append(library.api().delete("/instances/ci/namespaces/library", confirm="library").status)

    api = Api.signed_in(library.stack)
    late = Api(with_table(library.stack, TableWith(library.stack.table, quicker)), api.token)
    assert late.put(PATH, {"severity": "high", "version": 0}).status == 404
    assert asked == [1, 202]
    run_tasks(library.stack)


def test_a_policy_made_while_its_namespace_is_being_deleted_is_not_forgotten(library: Library) -> None:
    """N2, X6: the bin would bring back a namespace that says it has none."""
    asked: list[int] = []

    def quicker() -> None:
        if not asked:
            asked.append(1)
            set_policy(library.stack, "ci")

    api = Api.signed_in(library.stack)
    late = Api(with_table(library.stack, TableWith(library.stack.table, quicker)), api.token)
    assert late.delete("/instances/ci/namespaces/library", confirm="library").status == 409
    assert library.api().get(PATH).json()["severity"] == "high"


def test_namespaces_from_before_there_were_policies_have_none_and_may_leave(library: Library) -> None:
    """X6: their rows say nothing of it."""
    scanned(library.stack, library.instance.id, library.push("v1"))
    library.stack.table.update(
        Update(keys.namespace(library.instance.id, NamespaceName("library")), remove=("pull_policy",))
    )
    assert not refused(library)
    assert library.api().delete("/instances/ci/namespaces/library", confirm="library").status == 202
    run_tasks(library.stack)
