"""Rules bring what is pushed: which, where to, and what is told of it."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.audit.models import Filter
from chalicelib.audit.service import Audit
from chalicelib.collection.service import Fsck
from chalicelib.copying.copier import Copier
from chalicelib.copying.models import Outcome
from chalicelib.kernel import media
from chalicelib.kernel.names import Digest, RepositoryName
from chalicelib.ports.stack import Stack
from chalicelib.registry.service import Registry
from chalicelib.sync import steps
from tests.background import run_tasks
from tests.pull_policies.gated import scanned, set_policy
from tests.registry.images import image, index, owner_of, push_manifest
from tests.stacks import FrozenClock, make_instance, make_namespace

from .estate import APP, HELM, THERE, Estate


@pytest.fixture
def estate(stack: Stack) -> Estate:
    return Estate.opened(stack)


def test_what_is_pushed_after_the_rule_is_brought_and_nothing_from_before(estate: Estate) -> None:
    """Y1: into a repository that is made for it."""
    estate.push("before", b"one")
    rule = estate.rule()
    digest = estate.push("v1", b"two")
    estate.work()
    assert (estate.digest("v1"), estate.digest("before")) == (digest, None)
    (task,) = estate.tasks(rule=rule["id"])
    assert (task["state"], task["trigger"], task["counts"]) == ("succeeded", "rule", {"copied": 1})
    assert task["progress"] == {"done": 1, "total": 1, "bytes": 0}
    assert estate.tasks(rule="manual") == []
    (record,) = estate.records(task)
    assert (record["repository"], record["tag"], record["digest"]) == (APP, "v1", digest)
    assert (record["verdict"], record["size"], record["skipped"], record["rule_id"]) == ("copied", 0, 5, rule["id"])
    brought = estate.tag("v1")
    assert brought is not None
    assert brought.pushed_by == "system:sync"
    assert list(Fsck(estate.stack).run()) == []


def test_audit_record_tells_what_came_of_a_task(estate: Estate) -> None:
    """L1: once, with who made the rule."""
    estate.rule()
    estate.push("v1", b"one")
    estate.work()
    estate.work()
    found = Audit(estate.stack).search(estate.instance.id, Filter(object_type="sync_task"), None, 10).items
    assert [(entry.action, entry.result, entry.user, entry.repository) for entry in found] == [
        ("finish", "succeeded", "owner", APP)
    ]
    assert found[0].object == "v1 to prod: 1 copied"


@pytest.mark.parametrize(
    ("rule", "pushed", "brought"),
    [
        ({"source_tags": "v*"}, {"dev/app": ("v1", "latest")}, {"app:v1"}),
        ({"source_repositories": "{app,web*}"}, {"dev/app": ("v1",), "dev/api": ("v1",)}, {"app:v1"}),
        ({"content": ["chart"]}, {"dev/app": ("v1",), "dev/chart": ("1.0",)}, {"chart:1.0"}),
        ({"content": ["image"]}, {"dev/app": ("v1",), "dev/chart": ("1.0",)}, {"app:v1"}),
        ({}, {"dev/app": ("v1", "v2"), "dev/chart": ("1.0",)}, {"app:v1", "app:v2", "chart:1.0"}),
    ],
    ids=["tags", "repositories", "charts", "images", "all"],
)
def test_patterns_and_content_say_what_is_brought(
    estate: Estate, rule: dict[str, object], pushed: dict[str, tuple[str, ...]], brought: set[str]
) -> None:
    """Y1: what is not wanted leaves no task behind."""
    estate.rule(**rule)
    for name, tags in pushed.items():
        more = {"config_type": HELM} if name.endswith("chart") else {}
        for tag in tags:
            estate.push(tag, tag.encode(), name=RepositoryName(name), **more)
    estate.work()
    found = {f"{name[4:]}:{tag}" for name, tags in pushed.items() for tag in tags}
    here = {one for one in found if estate.digest(one.split(":")[1], RepositoryName("prod/" + one.split(":")[0]))}
    assert here == brought
    assert len(estate.tasks()) == len(brought)


def test_without_override_a_tag_with_another_digest_is_left_alone_and_the_record_says_so(estate: Estate) -> None:
    """Y5"""
    make_there = estate.push("v1", b"theirs", name=RepositoryName("dev/other"))
    estate.task(source_repositories="other")
    estate.work()
    assert estate.digest("v1", RepositoryName("prod/other")) == make_there
    estate.rule(source_repositories="other")
    estate.push("v1", b"ours", name=RepositoryName("dev/other"))
    estate.work()
    assert estate.digest("v1", RepositoryName("prod/other")) == make_there
    assert estate.became() == {"dev/other:v1": ("left", "tag_exists")}
    assert estate.tasks()[0]["state"] == "succeeded"


def test_with_override_the_tag_is_replaced(estate: Estate) -> None:
    estate.rule(override=True)
    estate.push("v1", b"one")
    estate.work()
    digest = estate.push("v1", b"two")
    estate.work()
    assert estate.digest("v1") == digest


def test_index_comes_with_all_its_platforms_and_referrers_with_their_subject(estate: Estate) -> None:
    """Y5: a signature pushed later too, to where its image is by then."""
    estate.rule(source_tags="v*")
    estate.push("", b"one")
    estate.push("", b"two")
    registry, owner = Registry(estate.stack), owner_of(estate.instance)
    body = index(image(b"one"), image(b"two"))
    pushed = push_manifest(registry, owner, body, "v1", name=APP).digest
    early = _sign(estate, pushed, body, b"early")
    estate.work()
    late = _sign(estate, pushed, body, b"late")
    estate.work()
    assert estate.digest("v1") == pushed
    there = registry.referrers(owner, THERE, pushed).items
    assert {one.digest for one in there} == {early, late}
    for child in (image(b"one"), image(b"two")):
        assert registry.pull(owner, THERE, Digest.of(child)).body == child


def test_referrer_of_what_is_not_there_is_left(estate: Estate) -> None:
    """Its image has a tag that the rule does not want."""
    estate.rule(source_tags="v*")
    subject = estate.push("latest", b"one")
    _sign(estate, subject, image(b"one"), b"signature")
    estate.work()
    assert [became for task in estate.tasks() for became in estate.became(task).values()] == [
        ("left", "subject_missing")
    ]


def test_referrer_that_comes_while_its_subject_is_copied_is_not_lost(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Y5: its own task finds nothing there yet, and leaves it."""
    signed: list[Digest] = []

    class Meanwhile(Copier):
        def copy(self, *arguments: Any, **more: Any) -> Outcome:
            outcome = super().copy(*arguments, **more)
            if not signed:
                signed.append(_sign(estate, subject, image(b"one"), b"signature"))
            return outcome

    monkeypatch.setattr(steps, "Copier", Meanwhile)
    estate.rule()
    subject = estate.push("v1", b"one")
    estate.events()
    run_tasks(estate.stack)
    there = Registry(estate.stack).referrers(owner_of(estate.instance), THERE, subject).items
    assert [one.digest for one in there] == signed


def _sign(estate: Estate, subject: Digest, body: bytes, layer: bytes) -> Digest:
    media_type = media.OCI_INDEX if b'"manifests"' in body else media.OCI_MANIFEST
    about = {"mediaType": media_type, "digest": subject, "size": len(body)}
    return estate.push("", layer, subject=about, artifactType="application/vnd.signature")


def test_what_the_pull_policy_blocks_stays_where_it_is(estate: Estate) -> None:
    """Y5, P6"""
    estate.rule()
    set_policy(estate.stack, "ci", namespace="dev")
    digest = estate.push("v1", b"one")
    scanned(estate.stack, estate.instance.id, digest)
    estate.work()
    assert estate.digest("v1") is None
    assert estate.became() == {"dev/app:v1": ("blocked", "scan_policy")}
    (record,) = estate.records()
    assert "CVE-2026-0001" in record["message"]


def test_nothing_goes_on_from_what_synchronisation_brought(estate: Estate) -> None:
    """Y2: not even where rules of several accounts, or services, make a circle: the push says what it is."""
    make_namespace(estate.stack, estate.instance, "next")
    estate.rule()
    estate.task(source_namespace="prod", target_namespace="next")
    estate.push("v1", b"one")
    estate.work()
    estate.work()
    estate.task(source_namespace="prod", target_namespace="dev", override=True)
    estate.work()
    assert len(estate.tasks(rule="manual")) == 2
    assert len([task for task in estate.tasks() if task["trigger"] == "rule"]) == 1


def test_pushes_while_a_rule_was_off_are_not_brought_later(estate: Estate) -> None:
    """Y1"""
    rule = estate.rule(enabled=False)
    estate.push("off", b"one")
    path = f"{estate.path}/sync-rules/{rule['id']}"
    assert estate.api.patch(path, {"enabled": True}).json()["enabled"]
    estate.push("on", b"two")
    estate.work()
    assert (estate.digest("off"), estate.digest("on") is not None) == (None, True)


@pytest.mark.parametrize("change", ["delete", "disable", "edit"])
def test_rule_that_went_meanwhile_brings_nothing_more(estate: Estate, change: str) -> None:
    """Its tasks end, and say why."""
    rule = estate.rule()
    estate.push("v1", b"one")
    estate.events()
    path = f"{estate.path}/sync-rules/{rule['id']}"
    if change == "delete":
        assert estate.api.delete(path).status == 204
    else:
        edit = {"enabled": False} if change == "disable" else {"source_tags": "v*"}
        assert estate.api.patch(path, edit).status == 200
    estate.work()
    reason = {"delete": "rule_gone", "disable": "rule_disabled", "edit": "rule_changed"}[change]
    assert estate.became() == {"dev/app:v1": ("left", reason)}
    assert estate.digest("v1") is None


def test_images_go_to_other_instances_of_the_account(estate: Estate) -> None:
    """Y3: inside a store nothing is downloaded."""
    far = make_instance(estate.stack, "far", bucket=estate.stack.settings.bucket)
    make_namespace(estate.stack, far, "prod")
    estate.rule(target_instance="far")
    digest = estate.push("v1", b"one")
    estate.work()
    assert estate.digest("v1", instance=far) == digest
    assert estate.digest("v1") is None
    assert estate.tasks()[0]["progress"]["bytes"] == 0


def test_task_says_why_it_cannot_bring_anything_and_is_retried(estate: Estate, clock: FrozenClock) -> None:
    """Y5: the target's namespace went, and came again."""
    make_namespace(estate.stack, estate.instance, "brief")
    rule = estate.rule(target_namespace="brief")
    assert rule["problem"] == ""
    assert estate.api.delete(f"{estate.path}/namespaces/brief", confirm="brief").status == 202
    estate.work()
    shown = estate.api.get(f"{estate.path}/sync-rules/{rule['id']}").json()
    assert shown["problem"] == "instance ci has no namespace brief"
    digest = estate.push("v1", b"one")
    estate.work()
    (task,) = estate.tasks()
    assert (task["state"], task["error"]) == ("failed", "instance ci has no namespace brief")
    make_namespace(estate.stack, estate.instance, "brief")
    assert estate.api.post(f"{estate.path}/tasks/{task['id']}/retry").status == 200
    estate.work()
    assert estate.digest("v1", RepositoryName("brief/app")) == digest
