"""What becomes of services when the repositories they are bound to are deleted, restored, or go with all else."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.chain import CHAIN
from chalicelib.edge.consume import handle
from chalicelib.instances.service import Instances
from chalicelib.kernel.messages import ReleaseInstance
from chalicelib.ports import binding_keys, keys
from tests.background import run_background, run_tasks
from tests.closing.crowd import everything
from tests.management import Api
from tests.stacks import FrozenClock, make_namespace

from .desk import Desk, path_of, used

REPOSITORY = "/instances/ci/namespaces/tcb-images/repositories/dev_web"
EIGHT_DAYS = 8 * 86400


def bound(desk: Desk) -> str:
    """A service with a version of an image; the id of its repository."""
    desk.environment("dev", namespace="tcb-images")
    made = desk.service("dev", "web")
    desk.push("tcb-images/dev_web", "v1")
    desk.version("one", "v1")
    return str(made["binding"]["repository_id"])


def test_a_service_whose_repository_is_deleted_says_so_and_is_whole_again_when_it_is_restored(desk: Desk) -> None:
    """B2, B3"""
    bound(desk)
    assert desk.owner.delete(REPOSITORY, confirm="dev_web").status == 204
    shown = desk.owner.get(path_of("dev/web")).json()
    assert (shown["repository_missing"], shown["address"]) == (True, "")
    assert shown["binding"]["repository"] == "dev_web"
    assert desk.owner.get("/environments/dev/services").json()["items"] == [shown]
    refused = desk.owner.get(path_of("dev/web") + "/images")
    assert refused.status == 404
    assert "restore it" in refused.json()["detail"]
    assert desk.ask_version("two", "v1").status == 404
    (entry,) = desk.owner.get("/instances/ci/recycle-bin").json()["items"]
    restored = desk.owner.post(f"/instances/ci/recycle-bin/{entry['id']}/restore", {"name": "another"})
    assert restored.status in (200, 201), restored.text
    again = desk.owner.get(path_of("dev/web")).json()
    assert (again["repository_missing"], again["binding"]["repository"]) == (False, "another")
    assert [used(image) for image in desk.images()] == [["dev/web/one"]]
    desk.version("two", "v1")


def test_another_repository_of_the_name_is_not_the_one_that_was_bound(desk: Desk) -> None:
    """B1: bound for ever to the one, whatever is made later under its name."""
    bound(desk)
    desk.owner.delete(REPOSITORY, confirm="dev_web")
    desk.repository("tcb-images/dev_web")
    desk.push("tcb-images/dev_web", "v1")
    assert desk.owner.get(path_of("dev/web")).json()["repository_missing"] is True
    assert desk.ask_version("two", "v1").status == 404


def test_deleting_a_repository_says_which_services_are_bound_to_it(desk: Desk) -> None:
    """B3"""
    bound(desk)
    refused = desk.owner.delete(REPOSITORY)
    assert refused.status == 428
    assert "dev/web" in refused.json()["detail"]


def test_a_repository_that_is_gone_for_good_leaves_nothing_and_its_service_can_be_deleted(
    desk: Desk, clock: FrozenClock
) -> None:
    """B4, C5"""
    repository = bound(desk)
    desk.owner.delete(REPOSITORY, confirm="dev_web")
    for _ in range(4):
        clock.advance(EIGHT_DAYS)
        run_background(desk.stack)
    assert desk.stack.table.query(keys.repository_partition(repository)).items == ()
    desk = replace(desk, owner=Api.signed_in(desk.stack))
    assert desk.owner.get(path_of("dev/web") + "/versions/one").status == 200
    assert desk.owner.delete(path_of("dev/web")).status == 204
    assert desk.stack.table.query(keys.repository_partition(repository)).items == ()
    again = desk.service("dev", "web")
    assert (again["reused"], again["binding"]["repository_id"] != repository) == (False, True)


def test_a_binding_that_came_to_a_deleted_repository_late_is_refused(desk: Desk) -> None:
    """B2: nothing comes into what is on its way out."""
    repository = bound(desk)
    desk.owner.delete(REPOSITORY, confirm="dev_web")
    body = {"mode": "existing", "namespace": "tcb-images", "repository": repository}
    assert desk.ask_service("dev", "jobs", **body).status == 404


def test_what_an_instance_holds_of_bindings_goes_with_it(desk: Desk) -> None:
    """I6: environments stay with their account, until they are deleted."""
    make_namespace(desk.stack, desk.instance, "library")
    desk.environment("dev")
    before = {key for key in everything(desk.stack) if desk.instance.id not in key[0]}
    desk.service("dev", "web")
    desk.push(f"{desk.owner.get('/environments/dev').json()['namespace']}/dev_web", "v1")
    desk.version("one", "v1")
    instances = Instances(desk.stack)
    instances.change(instances.load(desk.instance.id), state="releasing", asked_at=desk.stack.clock.now())
    handle(desk.stack, ReleaseInstance(instance_id=desk.instance.id), CHAIN)
    run_tasks(desk.stack)
    kept = {key for key in everything(desk.stack) if "BOUND#" in key[1] or key[1] == binding_keys.home("").sk}
    assert kept == set()
    shown = desk.owner.get(path_of("dev/web")).json()
    assert (shown["repository_missing"], shown["binding"]["instance"]) == (True, "ci")
    assert desk.ask_service("dev", "jobs").status == 404
    assert desk.owner.delete(path_of("dev/web")).status == 204
    assert desk.owner.delete("/environments/dev").status == 204
    left = {key for key in everything(desk.stack) if key[0] == "ACCOUNT#default"} - before
    assert [key for key in left if key[1].startswith(("ENVIRONMENT#", "SERVICE#", "VERSION#"))] == []
