"""Deeds for tests, and the table as somebody with access to it sees it."""

from __future__ import annotations

from typing import Any

from chalicelib.audit.models import Deed
from chalicelib.audit.sealing import Sealer
from chalicelib.audit.service import Audit
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Item
from tests.management import Api
from tests.stacks import FrozenClock

SCOPE = "01KG8N00000000000000000000"


def deed(clock: FrozenClock, **more: Any) -> Deed:
    told = {
        "time": clock.now(),
        "user": "ada",
        "object_type": "namespace",
        "action": "create",
        "source_ip": "192.0.2.7",
    }
    return Deed.model_validate({**told, **more})


def fill(stack: Stack, clock: FrozenClock, minutes: int = 3, each: int = 2) -> None:
    """So many minutes with so many entries each, all sealed."""
    audit = Audit(stack)
    for minute in range(minutes):
        for number in range(each):
            audit.record(SCOPE, deed(clock, object=f"{minute}-{number}"))
            clock.advance(1)
        clock.advance(60 - each)
    clock.advance(300)
    Sealer(stack).run()


def lying(stack: Stack, day: str = "2026-01-31", scope: str = SCOPE) -> list[Item]:
    """Entries of a day as they lie in the table."""
    return list(stack.audit.query(f"AUDIT#{scope}#{day}", limit=1000).items)


def seals(stack: Stack, scope: str = SCOPE) -> list[Item]:
    return list(stack.audit.query(f"SEALS#{scope}", prefix="SEAL#", limit=1000).items)


EVENTS = "/instances/ci/audit-events"
FIELDS = {
    "time",
    "user",
    "object_type",
    "namespace",
    "repository",
    "action",
    "result",
    "source_ip",
    "request_id",
    "id",
    "object",
    "count",
}


def items(api: Api, path: str = EVENTS, **query: object) -> list[dict[str, Any]]:
    answer = api.get(path, **query)
    assert answer.status == 200, answer.text
    return list(answer.json()["items"])
