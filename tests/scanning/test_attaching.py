"""Bills of materials as referrers of their images, as registry clients find them (S4)."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest

from chalicelib.audit.models import Filter
from chalicelib.audit.service import Audit
from chalicelib.instances.service import Instances
from chalicelib.kernel import media
from chalicelib.kernel.errors import ManifestUnknown, PullBlocked
from chalicelib.kernel.names import Digest, RepositoryName, TagName
from chalicelib.ports.stack import Stack
from chalicelib.registry.models import Caller, ManifestRecord, Referrer
from chalicelib.repositories.models import Repository
from chalicelib.scanning.attaching import Attaching
from chalicelib.scanning.bills import Bill
from chalicelib.scanning.documents import BillFormat
from tests.background import run_tasks
from tests.registry.images import NAME, descriptor
from tests.registry.library import gone_for_good
from tests.stacks import FrozenClock

from .shelf import DEBIAN, PYTHON, Shelf

TYPES = {"cyclonedx": "application/vnd.cyclonedx+json", "spdx": "application/spdx+json"}


@pytest.fixture
def shelf(stack: Stack) -> Shelf:
    opened = Shelf.opened(stack)
    opened.import_database()
    return opened


def referrers(shelf: Shelf, digest: str, name: RepositoryName = NAME) -> dict[str, Referrer]:
    found = shelf.library.registry.referrers(shelf.library.owner, name, Digest(digest)).items
    assert len({one.artifact_type for one in found}) == len(found), "one of each kind"
    return {one.artifact_type: one for one in found}


def manifest(shelf: Shelf, digest: str) -> dict[str, Any]:
    pulled = shelf.library.registry.pull(shelf.library.owner, NAME, Digest(digest))
    found: dict[str, Any] = json.loads(pulled.body)
    return found


def content(shelf: Shelf, digest: str) -> bytes:
    registry = shelf.library.registry
    reading = registry.read_blob(registry.blob(shelf.library.owner, NAME, Digest(digest)))
    return b"".join(reading.chunks())


@pytest.mark.parametrize("form", sorted(TYPES))
def test_scanned_image_has_its_bill_among_its_referrers(shelf: Shelf, form: str) -> None:
    """S4"""
    digest = shelf.push(DEBIAN, PYTHON)
    assert referrers(shelf, digest) == {}
    shelf.scan()
    found = referrers(shelf, digest)
    assert set(found) == set(TYPES.values())
    artifact = manifest(shelf, found[TYPES[form]].digest)
    assert artifact["subject"]["digest"] == digest
    assert artifact["config"]["mediaType"] == "application/vnd.oci.empty.v1+json"
    (layer,) = artifact["layers"]
    assert layer["mediaType"] == TYPES[form]
    attached = content(shelf, layer["digest"]).decode()
    assert attached == shelf.api.get(shelf.library.path(f"/manifests/{digest}/sbom"), format=form).text
    (shown, *_) = shelf.api.get(shelf.library.path(f"/manifests/{found[TYPES[form]].digest}")).json()["layers"]
    assert shown["digest"] == layer["digest"]


def test_scanning_again_attaches_nothing_new(shelf: Shelf) -> None:
    digest = shelf.push(DEBIAN)
    shelf.scan()
    before = referrers(shelf, digest)
    pushes = shelf.api.get(shelf.library.path(f"/manifests/{before[TYPES['spdx']].digest}")).json()["pushed_at"]
    shelf.library.handle_events()
    shelf.import_database({"debian 12": {"openssl": {"CVE-1": {}}}})
    shelf.scan()
    shelf.scan_namespace()
    assert referrers(shelf, digest) == before
    assert shelf.stack.objects(shelf.instance.bucket).list(f"{shelf.instance.id}/pushes/").items == ()
    after = shelf.api.get(shelf.library.path(f"/manifests/{before[TYPES['spdx']].digest}")).json()
    assert (after["pushed_at"], after["pushed_by"]) == (pushes, "system:scan")


def test_bill_that_somebody_deleted_comes_back_with_the_next_scan(shelf: Shelf) -> None:
    digest = shelf.push(DEBIAN)
    shelf.scan()
    before = referrers(shelf, digest)
    shelf.library.registry.delete(shelf.library.owner, NAME, Digest(before[TYPES["spdx"]].digest))
    assert set(referrers(shelf, digest)) == {TYPES["cyclonedx"]}
    shelf.scan()
    assert referrers(shelf, digest) == before


def test_each_image_of_an_index_has_its_own_bill(shelf: Shelf) -> None:
    amd = shelf.push(DEBIAN, PYTHON, tag="", platform="linux/amd64")
    arm = shelf.push(DEBIAN, tag="", platform="linux/arm64")
    index = shelf.library.push_index((amd, "linux/amd64"), (arm, "linux/arm64"), tag="v1")
    shelf.scan()
    assert referrers(shelf, index) == {}
    assert set(referrers(shelf, amd)) == set(referrers(shelf, arm)) == set(TYPES.values())
    assert referrers(shelf, amd) != referrers(shelf, arm)


def test_every_repository_that_holds_the_image_has_the_bill(shelf: Shelf) -> None:
    other = RepositoryName("library/other")
    digest = shelf.push(DEBIAN)
    shelf.push(DEBIAN, name=other)
    shelf.scan()
    assert referrers(shelf, digest, other) == {}
    shelf.scan("v1", other)
    assert set(referrers(shelf, digest, other)) == set(TYPES.values())


def test_image_that_could_not_be_examined_gets_none(shelf: Shelf) -> None:
    digest = shelf.push(b"no archive")
    shelf.scan()
    assert shelf.record(digest).state == "failed"
    assert referrers(shelf, digest) == {}


def test_image_in_which_nothing_was_found_gets_none(shelf: Shelf) -> None:
    digest = shelf.push({"srv/app": "x"})
    shelf.scan()
    assert shelf.record(digest).state == "unsupported"
    assert referrers(shelf, digest) == {}


def test_image_whose_packages_wait_for_a_database_has_its_bill_already(stack: Stack) -> None:
    shelf = Shelf.opened(stack)
    digest = shelf.push(DEBIAN)
    shelf.scan()
    assert (shelf.record(digest).state, shelf.record(digest).reason) == ("failed", "no_database")
    assert set(referrers(shelf, digest)) == set(TYPES.values())


def test_bills_leave_with_their_image(shelf: Shelf, clock: FrozenClock) -> None:
    """S4: nothing of them stays when the image goes for good."""
    shelf.push(DEBIAN)
    shelf.scan()
    shelf.library.handle_events()
    shelf.library.registry.delete(shelf.library.owner, NAME, TagName("v1"))
    gone_for_good(shelf.library, clock)


class Interrupted(Attaching):
    """Somebody deletes the image after the first of its bills was pushed."""

    def _push(
        self, caller: Caller, repository: Repository, subject: ManifestRecord, bill: Bill, form: BillFormat
    ) -> Digest:
        pushed = super()._push(caller, repository, subject, bill, form)
        with suppress(ManifestUnknown):
            self._registry.delete(caller, repository.name, subject.digest)
        return pushed


def test_bills_of_an_image_that_goes_meanwhile_go_too(shelf: Shelf, clock: FrozenClock) -> None:
    digest = shelf.push(DEBIAN)
    shelf.scan()
    for one in referrers(shelf, digest).values():
        shelf.library.registry.delete(shelf.library.owner, NAME, Digest(one.digest))
    assert Interrupted(shelf.stack).attach(shelf.instance, shelf.library.repository().id, digest) == ""
    assert referrers(shelf, digest) == {}
    shelf.library.handle_events()
    gone_for_good(shelf.library, clock)


def test_push_of_a_bill_is_recorded_and_begins_no_scan(stack: Stack, clock: FrozenClock) -> None:
    shelf = Shelf.opened(stack, scan_on_push=True)
    shelf.import_database()
    digest = shelf.push(DEBIAN)
    shelf.library.handle_events()
    run_tasks(stack)
    assert shelf.record(digest).state == "succeeded"
    shelf.library.handle_events()
    assert shelf.waiting() == 0
    tasks = shelf.api.get("/instances/ci/tasks").json()["items"]
    assert [(one["kind"], one["state"]) for one in tasks] == [("scan", "succeeded")]
    clock.advance(120)
    assert shelf.stack.objects(shelf.instance.bucket).list(f"{shelf.instance.id}/pushes/").items == ()
    # A scan that a request of the API began says whose it was.
    shelf.push(DEBIAN, PYTHON, tag="v2")
    shelf.scan("v2")
    shelf.library.handle_events()
    found = Audit(stack).search(shelf.instance.id, Filter(), None, 50).items
    pushed = [entry.object for entry in found if entry.user == "system:scan"]
    assert len(pushed) == 2


def test_full_instance_is_scanned_all_the_same_and_says_what_is_missing(shelf: Shelf) -> None:
    digest = shelf.push(DEBIAN)
    instances = Instances(shelf.stack)
    instances.change(shelf.instance, storage_limit_bytes=instances.usage(shelf.instance).storage.used)
    task = shelf.scan()
    (item,) = shelf.api.get(f"/instances/ci/tasks/{task.id}/items").json()["items"]
    assert (task.state, item["verdict"], shelf.record(digest).state) == ("succeeded",) * 3
    assert "bill of materials could not be attached" in item["reason"]
    assert referrers(shelf, digest) == {}


def test_pull_policy_that_keeps_the_image_back_lets_its_bill_go(shelf: Shelf) -> None:
    digest = shelf.push(DEBIAN)
    shelf.scan()
    policy = {"version": 0, "severity": "low", "unscanned": "block", "exceptions": []}
    answer = shelf.api.put("/instances/ci/namespaces/library/pull-policy", policy)
    assert answer.status == 200, answer.text
    with pytest.raises(PullBlocked):
        manifest(shelf, digest)
    artifact = manifest(shelf, referrers(shelf, digest)[TYPES["spdx"]].digest)
    assert content(shelf, artifact["layers"][0]["digest"]).startswith(b'{"spdxVersion"')


def test_strangers_artifact_of_the_same_kind_is_no_bill_of_ours(shelf: Shelf) -> None:
    digest = shelf.push(DEBIAN)
    body = shelf.library.registry.pull(shelf.library.owner, NAME, digest).body
    subject: dict[str, Any] = {"subject": descriptor(body, media.OCI_MANIFEST), "artifactType": TYPES["spdx"]}
    theirs = shelf.library.push_with(
        b"{}", layers=(b"theirs",), config_type="application/vnd.oci.empty.v1+json", **subject
    )
    shelf.scan()
    found = shelf.library.registry.referrers(shelf.library.owner, NAME, digest, TYPES["spdx"]).items
    assert len(found) == 2 and theirs in {one.digest for one in found}
