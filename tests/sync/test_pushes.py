"""Rules bring what is pushed: which, where to, and what is told of it."""

from __future__ import annotations

import pytest

from chalicelib.collection.service import Fsck
from chalicelib.kernel.names import RepositoryName
from chalicelib.ports.stack import Stack
from chalicelib.registry.service import Registry
from tests.registry.images import descriptor, image, index, owner_of, push_blob, push_manifest
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
