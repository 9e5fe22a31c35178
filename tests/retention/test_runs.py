"""P3, P5: runs over real tags, held to the oracle."""

from __future__ import annotations

from chalicelib.chain import WORKERS
from chalicelib.collection.service import Fsck
from chalicelib.kernel.names import TagName
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.repositories.service import Repositories
from chalicelib.tasks.service import Step, Task, Tasks
from tests.background import run_tasks
from tests.notifications.story import tell
from tests.registry.library import Library
from tests.stacks import FrozenClock

from .shelf import Shelf


def step(shelf: Shelf, run: str) -> None:
    Tasks(shelf.stack).carry_out(shelf.library.instance.id, run, WORKERS)


def freeze(shelf: Shelf, tags: str) -> str:
    """Makes tags immutable; answers the rule's id."""
    answer = shelf.api().post("/instances/ci/immutability-rules", {"namespace": "library", "tags": tags})
    assert answer.status == 201, answer.text
    return str(answer.json()["id"])


def test_run_and_dry_run_say_what_the_oracle_says_and_the_run_does_it(shelf: Shelf) -> None:
    """P3, P5"""
    for number in range(6):
        shelf.push(f"v{number}", f"w{number}")
    shelf.push("latest")
    shelf.push("v5-accelerated")
    shelf.push("v1-accelerated")
    shelf.push("alone-accelerated")
    shelf.push("x1", repository="base")
    shelf.push("x1", repository="other")
    shelf.rule("v*", 2, "{app,b*}")
    shelf.rule("w*", 1, "app")
    frozen = freeze(shelf, "v0")
    wanted = shelf.oracle({("app", "v0"): frozen}, "app", "base", "other")
    assert {place for place in wanted if place[0] == "other"} == set()
    before = shelf.tags()
    dry = shelf.run(dry_run=True)
    assert (shelf.told(dry), shelf.tags()) == (wanted, before)
    run = shelf.run()
    assert shelf.told(run) == wanted
    assert shelf.tags() == {tag for (name, tag), told in wanted.items() if name == "app" and told[0] == "kept"}
    assert shelf.tags("base") == set()
    assert shelf.tags("other") == {"x1"}
    shown = shelf.shown(run)
    verdicts = [told[0] for told in wanted.values()]
    assert (shown["kept"], shown["deleted"], shown["looked_at"]) == (
        verdicts.count("kept"), verdicts.count("deleted"), len(wanted),
    )  # fmt: skip
    assert shown["bytes"] == shelf.shown(dry)["bytes"] > 0
    assert list(Fsck(shelf.stack, deep=True).run()) == []


def test_tags_that_share_a_digest_are_judged_each_and_the_content_stays(shelf: Shelf) -> None:
    """P3"""
    shelf.push("old", "v1", layer=b"shared")
    shelf.push("v2")
    shelf.rule("v*", 2)
    run = shelf.run()
    assert (shelf.tags(), shelf.shown(run)["bytes"]) == ({"v1", "v2"}, 0)
    assert shelf.library.registry.pull(shelf.library.owner, shelf.name(), TagName("v1"))


def test_bytes_are_those_that_nothing_else_needs(shelf: Shelf) -> None:
    """P5: the base that all images share is not counted, the layers of their own are."""
    shelf.push("v1", layer=b"1" * 1000)
    shelf.push("v2", layer=b"2" * 2000)
    shelf.push("v3", layer=b"3" * 4000)
    shelf.rule("**", 1)
    assert shelf.shown(shelf.run())["bytes"] == 3000


def test_pages_and_steps_change_nothing_of_the_verdicts(shelf: Shelf) -> None:
    """P3: more tags than a step looks at, accelerated ones pushed before and after their originals."""
    for number in range(26):
        shelf.push(*(f"v{number}.{part}" for part in range(20)), layer=f"{number}".encode())
    shelf.push(*(f"v{number}.7-accelerated" for number in range(0, 26, 2)), layer=b"fast")
    shelf.push(*(f"v{number}.8" for number in range(0, 26, 3)), layer=b"again")
    shelf.push("v3.7-accelerated-accelerated", "v0.7", layer=b"more")
    shelf.rule("v1*", 100)
    shelf.rule("**", 20)
    wanted = shelf.oracle()
    assert len(wanted) > 500
    dry = shelf.run(dry_run=True)
    assert shelf.told(dry) == wanted
    run = shelf.run()
    assert shelf.told(run) == wanted
    assert {("app", tag) for tag in shelf.tags()} == {place for place, told in wanted.items() if told[0] == "kept"}
    assert shelf.shown(run)["looked_at"] == len(wanted)


def test_what_is_pushed_meanwhile_never_goes(shelf: Shelf) -> None:
    """P5: neither a new tag, nor one that moved before it was looked at, nor one that was decided of already."""
    for tag in ("a", "b", "c", "d"):
        shelf.push(tag)
    shelf.rule("**", 1)
    run = shelf.begin()
    shelf.push("new")
    shelf.push("b")
    step(shelf, run)
    shelf.push("c")
    run_tasks(shelf.stack)
    assert shelf.tags() == {"new", "b", "c", "d"}
    told = shelf.told(run)
    assert told["app", "c"] == ("skipped", "pushed_meanwhile", "")
    assert told["app", "a"][0] == "deleted"
    assert ("app", "new") not in told
    assert shelf.shown(run)["skipped"] == 1


def test_an_accelerated_tag_stays_with_an_original_that_is_pushed_meanwhile(shelf: Shelf) -> None:
    """P3, P5: it is decided of when it is known what became of the original."""
    for tag in ("v1", "v1-accelerated", "v2"):
        shelf.push(tag)
    shelf.rule("**", 1)
    run = shelf.begin()
    step(shelf, run)
    shelf.push("v1")
    run_tasks(shelf.stack)
    assert shelf.told(run)["app", "v1"][:2] == ("skipped", "pushed_meanwhile")
    assert shelf.told(run)["app", "v1-accelerated"][:2] == ("kept", "follows_original")
    assert shelf.tags() == {"v1", "v1-accelerated", "v2"}


def test_a_rule_of_immutability_made_meanwhile_is_kept(shelf: Shelf) -> None:
    """P1, P3: asked again by the transaction that deletes."""
    shelf.push("v1")
    shelf.push("v2")
    shelf.rule("**", 1)
    run = shelf.begin()
    step(shelf, run)
    frozen = freeze(shelf, "v1")
    run_tasks(shelf.stack)
    assert (shelf.told(run)["app", "v1"], shelf.tags()) == (("kept", "immutable", frozen), {"v1", "v2"})


def test_a_repository_that_is_deleted_meanwhile_is_skipped(shelf: Shelf) -> None:
    """P5"""
    for tag in ("v1", "v2"):
        shelf.push(tag)
        shelf.push(tag, repository="base")
    shelf.rule("**", 1)
    run = shelf.begin()
    step(shelf, run)
    api = shelf.api()
    assert api.delete("/instances/ci/namespaces/library/repositories/app", confirm="app").status == 204
    run_tasks(shelf.stack)
    told = shelf.told(run)
    assert told["app", "v1"][:2] == ("skipped", "repository_gone")
    assert told["base", "v1"][0] == "deleted"
    assert shelf.shown(run)["state"] == "succeeded"


def test_a_run_is_cancelled_between_steps_and_goes_on_when_asked(shelf: Shelf) -> None:
    """P5"""
    for number in range(4):
        shelf.push(f"v{number}")
    shelf.rule("**", 1)
    run = shelf.begin()
    step(shelf, run)
    api, path = shelf.api(), f"/instances/ci/tasks/{run}"
    assert api.post(f"{path}/cancel").status == 200
    run_tasks(shelf.stack)
    assert (shelf.shown(run)["state"], len(shelf.tags())) == ("cancelled", 4)
    shelf.push("v9")
    assert api.post(f"{path}/retry").status == 200
    run_tasks(shelf.stack)
    shown = shelf.shown(run)
    assert (shown["state"], shown["deleted"], shelf.tags()) == ("succeeded", 3, {"v3", "v9"})


def test_a_run_ends_where_its_namespace_went(shelf: Shelf) -> None:
    """P5"""
    shelf.push("v1")
    shelf.rule("**", 1)
    run = shelf.begin()
    api = shelf.api()
    assert api.delete("/instances/ci/namespaces/library", confirm="library").status == 202
    run_tasks(shelf.stack)
    task = api.get(f"/instances/ci/tasks/{run}").json()
    assert (task["state"], task["error"]) == ("failed", "the namespace was deleted")


def test_a_namespace_where_no_rule_covers_anything_ends_at_once(shelf: Shelf) -> None:
    """P3"""
    shelf.push("v1")
    Repositories(shelf.stack).ensure(shelf.library.instance, shelf.name("empty"), "admin")
    shelf.rule("**", 1, "{nothing,empty}")
    shown = shelf.shown(shelf.run())
    assert (shown["looked_at"], shelf.tags()) == (0, {"v1"})


def test_the_bin_gives_back_what_a_run_deleted(shelf: Shelf, clock: FrozenClock) -> None:
    """P5, X1: an entry a tag, under the name of who ran it."""
    shelf.push("v1")
    shelf.push("v2")
    shelf.rule("**", 1)
    shelf.run()
    library: Library = shelf.library
    rows = shelf.stack.table.query(keys.bin_partition(library.instance.id)).items
    assert [(row["kind"], row["name"], row["deleted_by"]) for row in rows] == [("tag", "v1", "owner")]
    assert "i2pk" not in rows[0]


def test_beginning_and_end_of_a_run_are_in_the_audit_record(shelf: Shelf) -> None:
    """G5: by whoever asked, with what it did."""
    shelf.push("v1")
    shelf.push("v2")
    shelf.rule("**", 1)
    run = shelf.run()
    events = shelf.api().get("/instances/ci/audit-events", object_type="retention").json()["items"]
    told = {(event["action"], event["object"]) for event in events}
    size = shelf.shown(run)["bytes"]
    assert told == {
        ("run", f"run {run}"),
        ("finish", f"run {run}: 1 deleted, 1 kept, 0 skipped, {size} bytes"),
    }


def test_a_run_that_was_cancelled_and_then_failed_is_in_the_audit_record_with_what_it_did(shelf: Shelf) -> None:
    """G1: each end once, also when it goes on before anybody was told of the one before."""
    for number in range(3):
        shelf.push(f"v{number}")
    shelf.rule("**", 1)
    run = shelf.begin()
    step(shelf, run)
    api, path = shelf.api(), f"/instances/ci/tasks/{run}"
    assert api.post(f"{path}/cancel").status == 200
    shelf.clock.advance(1)
    assert api.post(f"{path}/retry").status == 200
    assert api.delete("/instances/ci/namespaces/library", confirm="library").status == 202
    run_tasks(shelf.stack)
    for _ in range(2):
        tell(shelf.stack)
    events = api.get("/instances/ci/audit-events", object_type="retention").json()["items"]
    told = sorted((event["result"], event["user"], event["object"]) for event in events if event["action"] == "finish")
    assert told == [
        ("cancelled", "owner", f"run {run}, cancelled: 0 deleted, 1 kept, 0 skipped, 0 bytes"),
        ("failed", "owner", f"run {run}, failed: 0 deleted, 1 kept, 0 skipped, 0 bytes"),
    ]


def test_a_run_that_was_cancelled_in_the_middle_of_a_step_is_told_of_with_that_step(
    shelf: Shelf, clock: FrozenClock
) -> None:
    """G1, X5: not before the step has said what it deleted."""
    for number in range(3):
        shelf.push(f"v{number}")
    shelf.rule("**", 1)
    run = shelf.begin()
    step(shelf, run)
    ended: list[str] = []

    def cancelled_meanwhile(stack: Stack, task: Task) -> Step:
        assert shelf.api().post(f"/instances/ci/tasks/{run}/cancel").status == 200
        tell(stack)
        ended.extend(ends_of(shelf))
        return WORKERS["retention"](stack, task)

    Tasks(shelf.stack).carry_out(shelf.library.instance.id, run, {"retention": cancelled_meanwhile})
    assert ended == []
    tell(shelf.stack)
    clock.advance(600)
    tell(shelf.stack)
    size = shelf.shown(run)["bytes"]
    assert ends_of(shelf) == [f"run {run}, cancelled: 2 deleted, 1 kept, 0 skipped, {size} bytes"]


def ends_of(shelf: Shelf) -> list[str]:
    events = shelf.api().get("/instances/ci/audit-events", object_type="retention").json()["items"]
    return [event["object"] for event in events if event["action"] == "finish"]
