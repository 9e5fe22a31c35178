"""P1, P2: rules are listed, made, edited and deleted through the API."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.audit.models import Filter
from chalicelib.audit.service import Audit
from chalicelib.immutability.models import NewRule, RuleEdit
from chalicelib.immutability.policies import Policies
from chalicelib.immutability.rules import MOST_RULES
from chalicelib.kernel.names import NamespaceName
from chalicelib.kernel.roles import Role
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import OutcomeUnknown, Table, TransactionCancelled
from tests.background import run_background, run_tasks
from tests.management import Api
from tests.registry.library import DAY, OTHER, Library
from tests.stacks import FrozenClock, TableWith, make_instance, make_namespace, with_table

from .ruled import RULES, namespace_id, rule


def test_a_rule_says_all_it_is_and_is_found_again(library: Library) -> None:
    """P1"""
    made = library.api(Role.DEVELOPER).post(RULES, {"namespace": "library", "repositories": "team/*", "tags": "v*"})
    assert made.status == 201
    shown = made.json()
    created = {"id": shown["id"], "created_at": "2026-01-31T08:00:00.000000Z", "created_by": "developer"}
    assert shown == {"namespace": "library", "repositories": "team/*", "tags": "v*", "enabled": True, **created}
    path = made.headers["Location"].removeprefix("/api/v1")
    assert library.api(Role.READER).get(path).json() == shown
    assert library.api().get(RULES).json()["items"] == [shown]


def test_what_an_edit_does_not_name_stays(library: Library) -> None:
    """P1"""
    path = f"{RULES}/{rule(library, 'v*', repositories='team/*')}"
    assert library.api().patch(path, {"enabled": False}).json()["tags"] == "v*"
    edited = library.api().patch(path, {"tags": "{v*,latest}", "repositories": "app"}).json()
    assert (edited["tags"], edited["repositories"], edited["enabled"]) == ("{v*,latest}", "app", False)
    assert library.api().patch(path, {}).json() == edited == library.api().get(path).json()
    assert library.api().patch(path, {"namespace": "other"}).json()["errors"][0]["field"] == "namespace"


def test_every_copy_of_the_rules_is_the_same_after_each_change(library: Library) -> None:
    """P1: pushes are judged by any of sixteen."""
    first = rule(library, "v*")
    rule(library, "w*")
    library.api().patch(f"{RULES}/{first}", {"enabled": False})
    library.api().delete(f"{RULES}/{first}")
    namespace = namespace_id(library)
    rows = library.stack.table.query(keys.policies_partition(namespace)).items
    copies = [{name: value for name, value in row.items() if name != "sk"} for row in rows]
    assert len(copies) == keys.POLICY_SHARDS
    assert all(copy == copies[0] for copy in copies)
    assert (copies[0]["version"], [one["tags"] for one in copies[0]["rules"]]) == (4, ["w*"])


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"namespace": "library", "tags": "v*1"}, "tags", "(character 2)"),
        ({"namespace": "library", "repositories": "{a,b c}"}, "repositories", "(character 5)"),
        ({"namespace": "library", "tags": ""}, "tags", "(character 1)"),
        ({"namespace": "Library"}, "namespace", ""),
        ({"tags": "v*"}, "namespace", ""),
        ({"namespace": "library", "enabled": "yes"}, "enabled", ""),
        ({"namespace": "library", "tag": "v*"}, "tag", "there is no such field"),
    ],
)
def test_a_pattern_that_is_none_is_refused_at_its_character(
    library: Library, body: dict[str, Any], field: str, words: str
) -> None:
    """P2"""
    refused = library.api().post(RULES, body)
    assert refused.status == 400
    assert [one["field"] for one in refused.json()["errors"]] == [field]
    assert words in refused.json()["errors"][0]["message"]
    if field in ("tags", "repositories"):
        edited = library.api().patch(f"{RULES}/{rule(library)}", {field: body[field]})
        assert (edited.status, edited.json()["errors"]) == (400, refused.json()["errors"])


def test_rules_are_listed_page_by_page_across_namespaces(library: Library, stack: Stack) -> None:
    """P1"""
    for name in ("alpha", "beta", "empty", "zeta"):
        make_namespace(stack, library.instance, name)
    made = [
        library.api().post(RULES, {"namespace": name, "tags": f"t{number}"}).json()["id"]
        for name in ("alpha", "beta", "library", "zeta")
        for number in range(3)
    ]
    for limit in (1, 2, 5, 12, 50):
        found, cursor = list[str](), ""
        while True:
            page = library.api().get(RULES, limit=limit, **({"cursor": cursor} if cursor else {})).json()
            found += [one["id"] for one in page["items"]]
            assert len(page["items"]) <= limit
            cursor = page["next"]
            if not cursor:
                break
        assert found == made, limit
    assert [one["tags"] for one in library.api().get(RULES, namespace="beta").json()["items"]] == ["t0", "t1", "t2"]
    assert library.api().get(RULES, namespace="empty").json() == {"items": [], "next": None, "total": None}
    assert library.api().get(RULES, namespace="nope").status == 404
    assert library.api().get(RULES, cursor="nonsense").json()["errors"][0]["field"] == "cursor"


def test_of_rules_that_are_made_at_once_no_page_loses_one(library: Library, stack: Stack) -> None:
    """P1"""
    new = NewRule(namespace=NamespaceName("library"))
    made: list[str] = []

    def quicker() -> None:
        if not made:
            made.extend(Policies(stack).add(library.instance, new, "bob").id for _ in range(5))

    late = Policies(with_table(stack, TableWith(stack.table, quicker)))
    made.append(late.add(library.instance, new, "ann").id)
    page = library.api().get(RULES, limit=1).json()
    found = page["items"]
    while page["next"]:
        page = library.api().get(RULES, limit=1, cursor=page["next"]).json()
        found += page["items"]
    assert [one["id"] for one in found] == sorted(made)


def test_a_list_goes_on_where_it_was_though_what_it_showed_last_is_gone(library: Library, stack: Stack) -> None:
    """P1: the rule, or the whole namespace."""
    make_namespace(stack, library.instance, "alpha")
    first = library.api().post(RULES, {"namespace": "alpha"}).json()["id"]
    second = rule(library)
    cursor = library.api().get(RULES, limit=1).json()["next"]
    library.api().delete(f"{RULES}/{first}")
    assert [one["id"] for one in library.api().get(RULES, cursor=cursor).json()["items"]] == [second]
    library.api().delete("/instances/ci/namespaces/alpha", confirm="alpha")
    assert [one["id"] for one in library.api().get(RULES, cursor=cursor).json()["items"]] == [second]
    run_tasks(stack)
    assert [one["id"] for one in library.api().get(RULES, cursor=cursor).json()["items"]] == [second]


def test_a_namespace_takes_so_many_rules_and_no_more(library: Library) -> None:
    """P1"""
    for number in range(MOST_RULES):
        rule(library, f"t{number}")
    refused = library.api().post(RULES, {"namespace": "library"})
    assert (refused.status, refused.code) == (409, "CONFLICT")
    assert f"{MOST_RULES} rules" in refused.json()["detail"]


def test_what_is_foreign_or_missing_is_missing(library: Library, stack: Stack) -> None:
    """P1: another account's, another instance's, and what never was, in the same words."""
    made = rule(library)
    make_instance(stack, "other")
    stranger = Api.signed_in(stack, account="strangers")
    assert stranger.get(f"/instances/{library.instance.id}/immutability-rules/{made}").status == 404
    words = set()
    for path in (f"{RULES}/nope", f"{RULES}/{library.instance.id}", f"/instances/other/immutability-rules/{made}"):
        for answer in (library.api().get(path), library.api().patch(path, {}), library.api().delete(path)):
            assert answer.status == 404
            words.add(answer.json()["detail"])
    assert words == {"there is no such immutability rule"}
    assert library.api().post(RULES, {"namespace": "nope"}).status == 404


def test_readers_change_nothing_and_a_personal_instance_has_no_rules(library: Library, stack: Stack) -> None:
    """I3, G4"""
    path = f"{RULES}/{rule(library)}"
    for role in (Role.READER, Role.AUDITOR):
        assert library.api(role).get(path).status == 200
        assert library.api(role).post(RULES, {"namespace": "library"}).status == 403
        assert library.api(role).patch(path, {"enabled": False}).status == 403
        assert library.api(role).delete(path).status == 403
    make_namespace(stack, make_instance(stack, "small", "personal"))
    for answer in (
        library.api().get("/instances/small/immutability-rules"),
        library.api().post("/instances/small/immutability-rules", {"namespace": "library"}),
    ):
        assert (answer.status, answer.code) == (403, "EDITION_REQUIRED")


def test_every_change_of_a_rule_is_recorded(library: Library, stack: Stack) -> None:
    """G1"""
    path = f"{RULES}/{rule(library)}"
    library.api().patch(path, {"enabled": False})
    library.api().delete(path)
    library.api().delete(path)
    entries = Audit(stack).search(library.instance.id, Filter(object_type="immutability_rule"), None, 50).items
    assert {one.object for one in entries} == {path.rpartition("/")[2]}
    assert sorted((one.action, one.namespace, one.result) for one in entries) == [
        ("create", "library", "succeeded"),
        ("delete", "", "NOT_FOUND"),
        ("delete", "library", "succeeded"),
        ("edit", "library", "succeeded"),
    ]


class Unsure:
    """A table that now and then does not say how a transaction ended, after it took effect or before."""

    def __init__(self, table: Table, outcomes: list[str]) -> None:
        self._table = table
        self._outcomes = outcomes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def transact(self, writes: Any, *, relaxed: bool = False) -> None:
        outcome = self._outcomes.pop(0) if self._outcomes else ""
        if outcome == "conflict":
            raise TransactionCancelled({})
        if outcome != "lost":
            self._table.transact(writes, relaxed=relaxed)
        if outcome:
            raise OutcomeUnknown


@pytest.mark.parametrize("outcomes", [["lost"], ["done, unsaid"], ["conflict", "conflict", "done, unsaid", "lost"]])
def test_a_change_that_nobody_answered_for_is_made_once(library: Library, outcomes: list[str]) -> None:
    """P1: nor does meeting pushes keep it from being made."""

    def unsure() -> Policies:
        return Policies(with_table(library.stack, Unsure(library.stack.table, list(outcomes))))

    made = unsure().add(library.instance, NewRule(namespace=NamespaceName("library")), "ann")
    assert unsure().edit(library.instance, made.id, RuleEdit(enabled=False)).enabled is False
    (standing,) = library.api().get(RULES).json()["items"]
    assert (standing["id"], standing["enabled"]) == (made.id, False)
    unsure().remove(library.instance, made.id)
    assert library.api().get(RULES).json()["items"] == []


def test_rules_of_a_namespace_that_leaves_meanwhile_are_not_left_behind(library: Library) -> None:
    """N2, P1"""
    asked: list[int] = []

    def quicker() -> None:
        if not asked:
            asked.append(1)
            asked.append(library.api().delete("/instances/ci/namespaces/library", confirm="library").status)

    api = Api.signed_in(library.stack)
    late = Api(with_table(library.stack, TableWith(library.stack.table, quicker)), api.token)
    assert late.post(RULES, {"namespace": "library"}).status == 404
    assert asked == [1, 202]
    run_tasks(library.stack)


def test_rules_go_for_good_with_their_namespace_and_not_before(
    library: Library, stack: Stack, clock: FrozenClock
) -> None:
    """N2, P1: they hang on its id, so a new namespace of its name has none."""
    rule(library)
    library.push("v1")
    old = namespace_id(library)
    library.api().delete("/instances/ci/namespaces/library", confirm="library")
    run_tasks(stack)
    make_namespace(stack, library.instance)
    assert library.api().get(RULES).json()["items"] == []
    assert library.push("v1") != library.push("v1", layers=(b"moved",))
    assert len(stack.table.query(keys.policies_partition(old)).items) == keys.POLICY_SHARDS
    for days in (8, 2, 2):
        clock.advance(days * DAY)
        run_background(stack)
    assert stack.table.query(keys.policies_partition(old)).items == ()
    assert stack.table.query(keys.bin_partition(library.instance.id)).items == ()


# What others show of it


def test_lists_and_details_say_which_tags_are_immutable(library: Library) -> None:
    """N4"""
    library.push("v1", "v1-accelerated", "latest")
    library.push("v1", name=OTHER)
    kept_by = rule(library, "v*", repositories="app")
    shown = library.api().get(library.path("/tags")).json()["items"]
    assert {row["tag"]: row["immutable"] for row in shown} == {"v1": True, "v1-accelerated": True, "latest": False}
    assert library.api().get(library.path("/tags/v1")).json()["immutable"] is True
    assert library.api().get(library.path("/tags/v1", OTHER)).json()["immutable"] is False
    library.api().patch(f"{RULES}/{kept_by}", {"enabled": False})
    assert library.api().get(library.path("/tags/v1")).json()["immutable"] is False


def test_whole_repositories_namespaces_and_instances_go_though_rules_stand_and_say_what_they_keep(
    library: Library, clock: FrozenClock
) -> None:
    """P1"""
    library.push("v1", "v2", "latest")
    library.push("v1", name=OTHER)
    rule(library, "v*")
    assert "3 tags (2 of them immutable), 1 manifest and" in library.api().delete(library.path()).json()["detail"]
    asked = library.api().delete("/instances/ci/namespaces/library").json()["detail"]
    assert "2 repositories, 4 tags (3 of them immutable)" in asked
    assert "2 repositories, 3 immutable tags and" in library.api().delete("/instances/ci").json()["detail"]
    assert library.api().delete(library.path(), confirm="app").status == 204
    assert "1 immutable tag and" in library.api().delete("/instances/ci").json()["detail"]
    assert library.api().delete("/instances/ci/namespaces/library", confirm="library").status == 202
    run_tasks(library.stack)
    assert "immutable" not in library.api().delete("/instances/ci").json()["detail"]


def test_rules_are_found_by_text_and_state_and_sorted_by_namespace(library: Library) -> None:
    """P1, C1"""
    make_namespace(library.stack, library.instance, "tools")
    first, second = rule(library, "v*"), rule(library, "{v*,latest}", enabled=False)
    third = rule(library, "v*", namespace="tools", repositories="builder")

    def ids(**query: object) -> list[str]:
        return [one["id"] for one in library.api().get(RULES, **query).json()["items"]]

    assert ids(sort="-namespace") == [third, first, second]
    assert (ids(search="latest"), ids(search="builder"), ids(search="tools")) == ([second], [third], [third])
    assert (ids(enabled=False), ids(enabled=True)) == ([second], [first, third])
    page = library.api().get(RULES, sort="-namespace", limit=2).json()
    assert ids(sort="-namespace", cursor=page["next"]) == [second]


def test_a_pattern_is_tried_out_on_the_tags_that_are_there(library: Library) -> None:
    """P2, C1"""
    library.push("v1", "v2", "latest")
    library.push("v3", name=OTHER)
    path = "/instances/ci/namespaces/library/matching-tags"

    def tags(**query: object) -> list[str]:
        return [
            f"{one['repository']}:{one['tag']}" for one in library.api(Role.READER).get(path, **query).json()["items"]
        ]

    assert tags(tags="v*") == ["library/app:v1", "library/app:v2", "library/other:v3"]
    assert tags(repositories="app", tags="{latest,v2}") == ["library/app:latest", "library/app:v2"]
    assert tags(search="3") == ["library/other:v3"]
    seen, cursor = list[str](), None
    while True:
        page = library.api().get(path, limit=1, **({"cursor": cursor} if cursor else {})).json()
        seen += [one["tag"] for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == ["latest", "v1", "v2", "v3"]
    refused = library.api().get(path, tags="v*x").json()["errors"][0]
    assert (refused["field"], "character 2" in refused["message"]) == ("tags", True)
    assert library.api().get(path, cursor="tools/x").status == 400
