"""The life of an instance over fourteen months, and its end: opened, prolonged, frozen, renewed, frozen, deleted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from chalicelib.billing.handlers import advance_lives
from chalicelib.chain import CHAIN
from chalicelib.collection.service import Fsck
from chalicelib.edge.consume import send
from chalicelib.instances.buckets import Buckets
from chalicelib.instances.service import Instances
from chalicelib.ports.embedded.stack import create_bucket
from chalicelib.ports.stack import Stack
from tests.background import run_background
from tests.faults.ports import faulty
from tests.faults.turns import CRASH_AFTER, Crashed, Worker
from tests.management import Api
from tests.registry.wire import MANIFEST, Wire, image, sha256
from tests.stacks import make_namespace

BUCKET = "team-images"
LOGIN = ("robot", "a-good-long-password-7")
HOUR_S, DAY_S = 3600, 86_400


class Life:
    """One instance, opened through the API, with its registry clients and the passing of time."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.stack = wire.stack
        self.api.post("/account/top-ups", {"amount": 12 * 905 + 125 + 930})
        opened = self.api.post(
            "/instances",
            {
                "name": "ci",
                "edition": "enterprise",
                "bucket": BUCKET,
                "username": LOGIN[0],
                "password": LOGIN[1],
                "months": 12,
                "auto_renew": True,
                "namespace_packs": 1,
                "repository_packs": 1,
            },
        )
        assert opened.status == 201, opened.text
        self.host = opened.json()["public_address"]
        self.id = opened.json()["id"]

    @property
    def api(self) -> Api:
        """Signed in anew: no session lasts for months."""
        return Api.signed_in(self.stack)

    @property
    def shown(self) -> dict[str, Any]:
        return dict(self.api.get(f"/instances/{self.id}").json())

    @property
    def balance(self) -> float:
        return float(self.api.get("/account").json()["balance"])

    def pass_days(self, days: float) -> None:
        """Time passes day by day, the rest at once, each time with a run of every schedule."""
        whole = int(days)
        for step in [1.0] * whole + [days - whole] * (days > whole):
            self.wire.clock.advance(step * DAY_S)
            send(self.stack, advance_lives(self.stack), CHAIN)
            run_background(self.stack)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Host": self.host, **more.pop("headers", {})}
        return self.wire.ask(method, f"/v2/library/app/{path}", login=LOGIN, headers=headers, **more)

    def push(self, layer: bytes, tag: str) -> httpx.Response:
        for data in (b"{}", layer):
            answer = self.ask("POST", "blobs/uploads/", params={"digest": sha256(data)}, content=data)
            if answer.status_code != 201:
                return answer
        return self.ask("PUT", f"manifests/{tag}", headers={"Content-Type": MANIFEST}, content=image(layer))

    def pull(self, tag: str) -> httpx.Response:
        return self.ask("GET", f"manifests/{tag}")


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    served = Wire(tmp_path)
    create_bucket(served.stack.settings, BUCKET)
    Buckets(served.stack).claim("default", BUCKET)
    yield served
    served.close()


def wire_code(answer: httpx.Response) -> tuple[int, str, str]:
    error = answer.json()["errors"][0]
    return answer.status_code, error["code"], error["message"]


def keys_in(stack: Stack, bucket: str) -> set[str]:
    return {found.key for found in stack.objects(bucket).list("").items}


def refused_as_frozen(life: Life) -> None:
    """Pull, push and the management of content, each with the reason; what is open stays open."""
    for answer in (life.pull("v1"), life.push(b"more", "v2"), life.ask("GET", "tags/list")):
        status, code, message = wire_code(answer)
        assert (status, code) == (403, "DENIED")
        assert "expired" in message and "renew" in message
    api = life.api
    for path in ("namespaces", "repositories"):
        assert api.get(f"/instances/ci/{path}").code == "INSTANCE_FROZEN"
    assert api.post("/instances/ci/namespaces", {"name": "other"}).code == "INSTANCE_FROZEN"
    assert api.post("/instances/ci/quota-packs", {"namespace_packs": 1}).code == "INSTANCE_FROZEN"
    for path in ("", "/overview", "/audit-events", "/allowlist"):
        assert api.get(f"/instances/ci{path}").status == 200, path
    assert api.delete("/instances/ci").status == 428


def orders(life: Life) -> list[tuple[str, bool, float]]:
    """Oldest first: kind, automatic or not, amount."""
    items = life.api.get("/account/orders").json()["items"]
    return [(one["kind"], one["automatic"], one["amount"]) for one in reversed(items)]


def kill_and_resume(life: Life) -> None:
    """The deletion dies again and again, each time a little later, and ends all the same."""
    for call in (2, 5, 11, 23, 47, 95):
        with suppress(Crashed):
            run_background(faulty(life.stack, Worker(plan={call: CRASH_AFTER})))
        life.wire.clock.advance(HOUR_S + 1)
        assert life.shown["state"] == "releasing"
        send(life.stack, advance_lives(life.stack), CHAIN)
    life.pass_days(1)


def test_fourteen_months_and_the_end(wire: Wire) -> None:
    """I2, I4, I5, I6"""
    wire.push_image("library/neighbour", "v1", b"of the service's own bucket")
    wire.stack.objects(BUCKET).put("reports/2026.csv", b"the customer's own")
    others = keys_in(wire.stack, wire.instance.bucket)

    # 31 January 2026: a year with a pack of each kind, 905 a month.
    life = Life(wire)
    assert (life.balance, life.shown["expires_at"]) == (125 + 930, "2027-01-31T08:00:00.000000Z")
    make_namespace(wire.stack, Instances(wire.stack).load(life.id))
    assert (life.push(b"layer", "v1").status_code, life.pull("v1").status_code) == (201, 200)

    life.pass_days(212)  # 31 August: five months are left, and the price becomes 930.
    assert life.api.post("/instances/ci/quota-packs", {"namespace_packs": 1}).json()["order"]["amount"] == 125.0

    life.pass_days(153)  # 31 January 2027: it was renewed a day ago, and there is nothing left.
    assert (life.shown["expires_at"], life.balance) == ("2027-02-28T08:00:00.000000Z", 0)
    assert orders(life) == [("opening", False, 10_860.0), ("quota-packs", False, 125.0), ("renewal", True, 930.0)]
    assert life.pull("v1").status_code == 200

    life.pass_days(27.75)
    assert (life.shown["state"], life.shown["unpaid_since"]) == ("running", "2027-02-27T08:00:00.000000Z")
    life.pass_days(0.25)  # 28 February: out of balance.
    assert life.shown["state"] == "frozen"
    refused_as_frozen(life)

    life.pass_days(14)  # 14 March: the new period counts from now.
    assert life.api.post("/instances/ci/renewals", {"months": 1}).code == "BALANCE_TOO_LOW"
    life.api.post("/account/top-ups", {"amount": 930})
    renewed = life.api.post("/instances/ci/renewals", {"months": 1}).json()
    assert (renewed["state"], renewed["expires_at"]) == ("running", "2027-04-14T08:00:00.000000Z")
    assert (life.pull("v1").status_code, life.push(b"more", "v2").status_code) == (200, 201)
    assert life.api.patch("/instances/ci", {"auto_renew": False}).status == 200

    life.pass_days(31)  # The second life: nobody renews.
    refused_as_frozen(life)
    life.pass_days(14.75)
    assert life.shown["state"] == "frozen"
    assert len(keys_in(wire.stack, BUCKET)) > 3
    wire.clock.advance(DAY_S / 4)  # 29 April: fifteen days are over.
    send(wire.stack, advance_lives(wire.stack), CHAIN)
    assert life.api.post("/instances/ci/renewals", {"months": 1}).code == "CONFLICT"
    kill_and_resume(life)

    assert life.api.get(f"/instances/{life.id}").code == "NOT_FOUND"
    assert keys_in(wire.stack, BUCKET) == {"reports/2026.csv"}
    assert keys_in(wire.stack, wire.instance.bucket) == others
    assert wire.ask("GET", "/v2/library/neighbour/manifests/v1").status_code == 200
    assert len(orders(life)) == 4
    assert list(Fsck(wire.stack, deep=True).run()) == []
