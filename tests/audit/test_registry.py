"""Registry clients in the audit record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chalice.test import Client

import app as service
from chalicelib.access.service import Access
from chalicelib.audit.models import Entry, Filter
from chalicelib.audit.sealing import Sealer
from chalicelib.audit.service import Audit
from chalicelib.collection.service import Sweeper
from chalicelib.credentials.robots import Robots
from chalicelib.edge.tally import flush_tallies
from chalicelib.kernel.errors import Unavailable
from chalicelib.kernel.messages import ImagePushed
from chalicelib.ports import paths
from chalicelib.ports.stack import Stack
from chalicelib.registry import handlers
from tests.management import Api
from tests.registry.wire import LOGIN, MANIFEST, Wire, image, sha256

APP = "/v2/library/app"


@pytest.fixture
def wire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    served = Wire(tmp_path, edition="enterprise")
    Access(served.stack).add(served.instance, "127.0.0.1/32", "home")
    monkeypatch.setattr(service, "stack", lambda: served.stack)
    yield served
    served.close()


@pytest.fixture
def personal(tmp_path: Path) -> Iterator[Wire]:
    served = Wire(tmp_path)
    yield served
    served.close()


def recorded(wire: Wire, keyword: str = "") -> list[Entry]:
    """Oldest first."""
    flush_tallies(wire.stack)
    return list(reversed(Audit(wire.stack).search(wire.instance.id, Filter(keyword=keyword), None, 200).items))


def told(entries: list[Entry]) -> list[tuple[str, str, str, str]]:
    return [(one.user, one.object_type, one.action, one.result) for one in entries]


def events(stack: Stack) -> list[tuple[str, str]]:
    """Bucket and key of every push object whose event is not handled."""
    return [(stack.settings.bucket, key) for key in _push_keys(stack)]


def _push_keys(stack: Stack) -> list[str]:
    found, cursor = list[str](), None
    while True:
        page = stack.objects(stack.settings.bucket).list("", cursor=cursor)
        found += [one.key for one in page.items if paths.is_push(one.key)]
        cursor = page.next
        if cursor is None:
            return found


def bring(stack: Stack) -> None:
    """What is left of the pushes reaches its handler, as app.py does it."""
    client = Client(service.app)
    for bucket, key in events(stack):
        detail = {"bucket": {"name": bucket}, "object": {"key": key}}
        client.lambda_.invoke("object_created", client.events.generate_cw_event("aws.s3", "Object Created", detail, []))


def record(stack: Stack, bucket: str, key: str) -> None:
    """The first of what follows from a push; then its handler dies."""
    (pushed,) = handlers.object_created(stack, bucket, key)
    assert isinstance(pushed, ImagePushed)
    assert handlers.record(stack, pushed) == []


def test_a_push_is_one_entry_with_every_field(wire: Wire) -> None:
    """G1: by its event; the push itself writes none."""
    body = image()
    wire.push_blob("library/app", b"{}")
    wire.push_blob("library/app", b"layer")
    answer = wire.ask("PUT", f"{APP}/manifests/v1", headers={"Content-Type": MANIFEST}, content=body)
    assert recorded(wire) == []
    bring(wire.stack)
    (entry,) = recorded(wire)
    assert told([entry]) == [("admin", "tag", "push", "succeeded")]
    assert (entry.namespace, entry.repository, entry.object) == ("library", "library/app", f"v1@{sha256(body)}")
    assert (entry.source_ip, entry.request_id) == ("127.0.0.1", answer.headers["x-request-id"])
    assert entry.time == wire.clock.now()


def test_a_push_by_digest_is_of_a_manifest(wire: Wire) -> None:
    body = wire.push_image("library/app", "v1")
    answer = wire.ask("PUT", f"{APP}/manifests/{sha256(body)}", headers={"Content-Type": MANIFEST}, content=body)
    assert answer.status_code == 201
    bring(wire.stack)
    assert {(one.object_type, one.object) for one in recorded(wire)} == {
        ("tag", f"v1@{sha256(body)}"),
        ("manifest", sha256(body)),
    }


@pytest.mark.parametrize("late_s", [0, 30, 3600])
def test_an_event_that_comes_twice_is_one_entry(wire: Wire, late_s: int) -> None:
    """G1: also where it comes after the minute of the push was sealed."""
    wire.push_image("library/other", "v1")
    bring(wire.stack)
    pushed_at = wire.clock.now()
    wire.push_image("library/app", "v1")
    wire.clock.advance(late_s)
    Sealer(wire.stack).run()
    ((bucket, key),) = events(wire.stack)
    for _ in range(2):
        record(wire.stack, bucket, key)
        wire.clock.advance(1)
    bring(wire.stack)
    assert handlers.object_created(wire.stack, bucket, key) == []
    (entry,) = recorded(wire, keyword="library/app")
    assert entry.time == pushed_at
    wire.clock.advance(600)
    Sealer(wire.stack).run()
    verdict = Audit(wire.stack).verify(wire.instance.id, pushed_at)
    assert (verdict.finding, verdict.entries, verdict.unsealed) == (None, 2, 0)


def test_an_event_that_comes_again_after_its_minute_was_sealed_adds_nothing(wire: Wire) -> None:
    """G1: its handler died between the entry and the rest."""
    pushed_at = wire.clock.now()
    wire.push_image("library/app", "v1")
    ((bucket, key),) = events(wire.stack)
    record(wire.stack, bucket, key)
    wire.clock.advance(600)
    Sealer(wire.stack).run()
    record(wire.stack, bucket, key)
    assert len(recorded(wire)) == 1
    verdict = Audit(wire.stack).verify(wire.instance.id, pushed_at)
    assert (verdict.finding, verdict.entries, verdict.unsealed) == (None, 1, 0)


def test_a_push_whose_event_was_lost_is_recorded_when_it_is_made_again(wire: Wire) -> None:
    wire.push_image("library/app", "v1")
    for bucket, key in events(wire.stack):
        wire.stack.objects(bucket).delete(key)
    wire.clock.advance(60)
    Sweeper(wire.stack).run()
    bring(wire.stack)
    assert told(recorded(wire)) == [("admin", "tag", "push", "succeeded")]


def test_reads_that_succeed_leave_no_entry_and_cost_no_write(wire: Wire) -> None:
    """G1"""
    body = wire.push_image("library/app", "v1")
    token = wire.token("repository:library/app:pull")
    before = wire.stack.audit.epoch()
    for how in ({"login": LOGIN}, {"token": token}):
        assert wire.ask("GET", f"{APP}/manifests/v1", **how).status_code == 200
        assert wire.ask("HEAD", f"{APP}/manifests/{sha256(body)}", **how).status_code == 200
        assert wire.ask("GET", f"{APP}/blobs/{sha256(b'layer')}", **how).status_code == 200
        assert wire.ask("GET", f"{APP}/tags/list", **how).status_code == 200
    assert wire.ask("GET", "/v2/").status_code == 200
    # What a client asks before it sends is no refusal either.
    assert wire.ask("HEAD", f"{APP}/blobs/{sha256(b'new')}").status_code == 404
    assert wire.ask("GET", f"{APP}/manifests/v2").status_code == 404
    assert wire.ask("HEAD", "/v2/library/made-by-the-first-push/manifests/v1").status_code == 404
    flush_tallies(wire.stack)
    assert wire.stack.audit.epoch() == before
    assert recorded(wire) == []


def test_deletions_are_recorded_singly(wire: Wire) -> None:
    """G1"""
    body = wire.push_image("library/app", "v1")
    wire.push_blob("library/app", b"loose")
    for path in ("manifests/v1", f"manifests/{sha256(body)}", f"blobs/{sha256(b'loose')}"):
        assert wire.ask("DELETE", f"{APP}/{path}").status_code == 202
        wire.clock.advance(1)
    entries = recorded(wire, keyword="delete")
    assert [(one.object_type, one.object) for one in entries] == [
        ("tag", "v1"),
        ("manifest", sha256(body)),
        ("blob", sha256(b"loose")),
    ]
    assert {(one.user, one.result, one.repository) for one in entries} == {("admin", "succeeded", "library/app")}


def test_refusals_of_somebody_known_are_recorded_singly(wire: Wire) -> None:
    """G1: by password, and by a token that does not reach so far."""
    wire.push_image("library/app", "v1")
    token = wire.token("repository:library/app:pull")
    assert wire.ask("PUT", f"{APP}/manifests/v2", token=token, content=b"{}").status_code in (400, 401)
    assert wire.ask("DELETE", f"{APP}/manifests/v1", token=token).status_code == 401
    wire.clock.advance(1)
    robot = Robots(wire.stack).create(wire.instance, "robot", None, [], None, "owner")
    login = ("robot", robot.password)
    assert wire.ask("GET", f"{APP}/manifests/v1", login=login).status_code == 404
    entries = recorded(wire)
    assert [(one.user, one.action, one.repository, one.object) for one in entries if one.action != "push"] == [
        ("admin", "delete", "library/app", "v1"),
        ("robot", "pull", "library/app", "v1"),
    ]
    assert [one.result for one in entries if one.action != "push"] == ["DENIED", "NOT_FOUND"]


def test_a_refused_push_is_recorded(wire: Wire) -> None:
    answer = wire.ask("PUT", f"{APP}/manifests/v1", headers={"Content-Type": MANIFEST}, content=image())
    assert answer.status_code == 404
    (entry,) = recorded(wire)
    assert (entry.action, entry.object_type, entry.object) == ("push", "tag", "v1")
    assert entry.result != "succeeded"
    assert entry.request_id == answer.headers["x-request-id"]


def test_strangers_are_counted_by_address_and_minute(wire: Wire) -> None:
    """G1: where every login begins, a challenge, is not a row each."""
    for _ in range(5):
        assert wire.ask("GET", "/v2/", login=None).status_code == 401
    for _ in range(3):
        assert wire.ask("GET", "/token", login=("admin", "wrong-password")).status_code == 401
        assert wire.ask("GET", "/v2/", login=("admin", "other-password")).status_code == 401
    wire.clock.advance(60)
    assert wire.ask("DELETE", f"{APP}/manifests/v1", login=None).status_code == 401
    counts = [(f"{one.time:%H:%M}", one.user, one.result, one.source_ip, one.count) for one in recorded(wire)]
    assert sorted(counts) == [
        ("08:00", "", "UNAUTHENTICATED", "127.0.0.1", 11),
        ("08:01", "", "UNAUTHENTICATED", "127.0.0.1", 1),
    ]


def test_refused_addresses_are_counted_whoever_asks(wire: Wire) -> None:
    """G1, G2"""
    wire.use(wire.stack, ("203.0.113.9", 50000))
    for path in ("/v2/", f"{APP}/manifests/v1", "/token"):
        assert wire.ask("GET", path).status_code == 403
    assert wire.ask("DELETE", f"{APP}/manifests/v1").status_code == 403
    entries = recorded(wire)
    assert [(one.result, one.source_ip, one.count) for one in entries] == [("ADDRESS_NOT_ALLOWED", "203.0.113.9", 4)]


def test_throttled_logins_are_counted(wire: Wire) -> None:
    """G1, G3"""
    answers = [wire.ask("GET", "/token", login=("admin", f"wrong {number}")).status_code for number in range(12)]
    assert answers[-1] == 429
    counted = {one.result: one.count for one in recorded(wire)}
    assert counted == {"UNAUTHENTICATED": answers.count(401), "TOO_MANY_REQUESTS": answers.count(429)}


def test_a_personal_instance_has_no_record(personal: Wire) -> None:
    """I3"""
    personal.push_image("library/app", "v1")
    for bucket, key in events(personal.stack):
        record(personal.stack, bucket, key)
    personal.ask("DELETE", f"{APP}/manifests/v1")
    personal.ask("GET", "/v2/", login=None)
    personal.ask("GET", "/token", login=("admin", "wrong-password"))
    assert recorded(personal) == []


def test_no_secret_is_in_the_record(wire: Wire) -> None:
    """G1, G3"""
    token = wire.token("repository:library/app:pull")
    wire.push_image("library/app", "v1")
    bring(wire.stack)
    wire.ask("DELETE", f"{APP}/manifests/v1", token=token)
    wire.ask("GET", "/token", login=("admin", "hunter2-hunter2"))
    text = "".join(one.model_dump_json() for one in recorded(wire))
    assert "library/app" in text
    for secret in (LOGIN[1], "hunter2", token):
        assert secret not in text


class Down:
    """An audit table that cannot be written."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def put(self, *args: Any, **more: Any) -> None:
        raise Unavailable


def test_what_cannot_be_recorded_is_not_claimed_and_a_push_waits_for_nothing(wire: Wire) -> None:
    """G1: the event comes again until its entry stands."""
    up = wire.stack
    wire.use(replace(up, audit=Down(up.audit)))
    body = wire.push_image("library/app", "v1")
    assert wire.ask("DELETE", f"{APP}/manifests/v1").status_code == 503
    ((bucket, key),) = events(up)
    with pytest.raises(Unavailable):
        record(replace(up, audit=Down(up.audit)), bucket, key)
    bring(up)
    assert [one.object for one in recorded(wire)] == [f"v1@{sha256(body)}"]


def test_a_copy_made_by_the_management_api_is_recorded_there_alone(wire: Wire) -> None:
    """G1: once, though the registry tells of it as of a push."""
    wire.push_image("library/app", "v1")
    bring(wire.stack)
    wire.clock.advance(1)
    api = Api.signed_in(wire.stack)
    answer = api.post("/instances/default/namespaces/library/repositories/app/tags/v1/copies", {"tag": "v2"})
    assert answer.status == 201, answer.text
    bring(wire.stack)
    entries = recorded(wire)
    assert [(one.user, one.action) for one in entries] == [("admin", "push"), ("owner", "copy")]
