"""P3–P5 on DynamoDB, S3 and SQS (moto in process): rules, a dry run, a scheduled run, and the record of it."""

from __future__ import annotations

from chalicelib.collection.service import Fsck
from chalicelib.retention.handlers import fire_schedules
from tests.api.conftest import aws_stack
from tests.background import run_tasks
from tests.registry.library import Library
from tests.stacks import FrozenClock, make_instance, make_namespace

from .shelf import Shelf


def test_a_scheduled_run_does_what_its_dry_run_said() -> None:
    """P3, P4, P5"""
    with aws_stack() as stack:
        clock = stack.clock
        assert isinstance(clock, FrozenClock)
        instance = make_instance(stack, bucket=stack.settings.bucket)
        make_namespace(stack, instance)
        shelf = Shelf(Library(stack, instance), clock)
        shelf.push("v0", "v1", "v2", "v3")
        shelf.push("v4", "v5", "latest", "v5-accelerated")
        shelf.push("x1", repository="base")
        shelf.rule("v*", 2, "app")
        wanted = shelf.oracle(None, "app", "base")
        assert shelf.told(shelf.run(dry_run=True)) == wanted
        order = {"schedule": {"cron": "0 9 * * *", "timezone": "Asia/Shanghai"}, "acknowledged": True}
        shown = shelf.api().put(shelf.path, order).json()
        assert shown["next_runs"][0] == "2026-02-01T01:00:00.000000Z"
        clock.advance(86_400)
        for _ in range(3):
            fire_schedules(stack)
            run_tasks(stack)
        run, dry = shelf.api().get(f"{shelf.path}/runs").json()["items"]
        assert (run["trigger"], run["state"], run["deleted"], dry["deleted"]) == ("schedule", "succeeded", 5, 5)
        assert shelf.told(run["id"]) == wanted
        assert shelf.tags() == {"v4", "v5", "v5-accelerated"}
        unmatched = shelf.api().post(f"{shelf.path}/unmatched-tags", {"rules": [
            {"repositories": "**", "tags": "v5*", "keep_last": 1},
        ]}).json()["items"]  # fmt: skip
        assert [tag["tag"] for tag in unmatched] == ["v4", "x1"]
        assert list(Fsck(stack).run()) == []
