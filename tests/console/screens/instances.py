"""Instances, opening one, and one at a glance."""

from __future__ import annotations

from datetime import timedelta

from chalicelib.instances.buckets import Buckets
from chalicelib.kernel.errors import Conflict
from chalicelib.registry.series import Series
from chalicelib.tasks.models import Step, Task
from chalicelib.tasks.service import Tasks
from tests.console.world import Screen, World
from tests.stacks import BUCKET, make_instance


def furnish(world: World) -> None:
    stack, instance = world.stack, world.shelf.library.instance
    Buckets(stack).claim("default", "acme-images")
    for name, days in (("staging", 20), ("spring-2026", -3)):
        ends = stack.clock.now() + timedelta(days=days)
        make_instance(stack, name, bucket=BUCKET, expires_at=ends, auto_renew=days > 0, namespace_packs=1)
    make_instance(stack, "sandbox", edition="personal")
    for pulls, pushes in ((120, 4), (40, 1)):
        Series(stack).add(instance.id, pulls=pulls, pushes=pushes)
    task, creation = Tasks(stack).create(instance.id, "retention", {"namespace": "library"}, "owner")
    stack.table.transact([creation])
    Tasks(stack).carry_out(instance.id, task.id, {"retention": _refuse})


def _refuse(_stack: object, _task: Task) -> Step:
    raise Conflict("the rules were changed after this run had stopped; begin a new one")


SCREENS = (
    Screen("/instances", "instances", lambda _: "/instances"),
    Screen(
        "/instances/-/new", "instance-new", lambda _: "/instances/-/new?edition=enterprise&months=3&namespace_packs=2"
    ),
    Screen("/instances/{instance}", "overview", lambda _: "/instances/ci"),
)
