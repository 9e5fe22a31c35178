"""S1, S4, X1 on DynamoDB, S3 and SQS (moto in process): a push is scanned, judged again, and goes with all it left."""

from __future__ import annotations

import pytest

from chalicelib.collection.service import Fsck
from chalicelib.ports import paths
from chalicelib.scanning import rescans
from tests.api.conftest import aws_stack
from tests.background import run_background, run_tasks
from tests.registry.library import DAY, Library
from tests.stacks import FrozenClock, make_instance, make_namespace

from .shelf import DATABASE, DEBIAN, PYTHON, Shelf

pytestmark = pytest.mark.campaign


def test_a_push_is_scanned_judged_again_and_goes_with_all_it_left() -> None:
    with aws_stack() as stack:
        clock = stack.clock
        assert isinstance(clock, FrozenClock)
        instance = make_instance(stack, bucket=stack.settings.bucket)
        make_namespace(stack, instance, scan_on_push=True)
        shelf = Shelf(Library(stack, instance))
        shelf.import_database()
        amd = shelf.push(DEBIAN, PYTHON, tag="")
        index = shelf.library.push_index((amd, "linux/amd64"), tag="v1")
        shelf.library.handle_events()
        run_tasks(stack)
        assert (shelf.record(index).critical, shelf.record(index).high) == (1, 1)
        assert [one["title"] for one in shelf.findings(index)] == ["a hole", "a leak", "a gap"]
        shelf.import_database({**DATABASE, "debian 12": {"zlib1g": {"CVE-2024-0009": {"Severity": 4}}}})
        for message in rescans.missing(stack):
            rescans.rescan(stack, message)
        assert [one["id"] for one in shelf.findings(index)] == ["CVE-2024-0009", "CVE-2024-0003"]
        (vulnerable,) = shelf.api.get("/instances/ci/vulnerabilities", search="CVE-2024-0009").json()["items"]
        assert [where["tags"] for where in vulnerable["repositories"]] == [["v1"]]
        assert list(Fsck(stack).run()) == []
        assert shelf.api.delete(shelf.library.path("/tags/v1")).status == 200
        for days in (8, 8, 2):
            clock.advance(days * DAY)
            run_background(stack)
        objects = stack.objects(instance.bucket)
        assert all(objects.list(prefix).items == () for prefix in paths.surveys(instance.id))
