"""X1, N2: a namespace of 10 000 tags is deleted, restored on day 6, deleted again; on day 8 its bytes are gone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta

import pytest

from chalicelib.collection.service import Fsck
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.names import Digest, RepositoryName, TagName
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from chalicelib.registry.handlers import object_settled
from chalicelib.registry.models import Caller
from chalicelib.registry.service import Registry
from tests.background import run_background, run_tasks
from tests.management import Api
from tests.registry.images import image, owner_of, push_blob, push_image, push_manifest
from tests.registry.library import DAY
from tests.stacks import FrozenClock, make_instance, make_namespace

from .bin import Rows, everything, lasting

SHARED, ELSEWHERE = b"a layer that everybody has", RepositoryName("elsewhere/app")
TAGS_A_PUSH = 20


@dataclass
class Story:
    stack: Stack
    clock: FrozenClock
    instance: Instance

    @classmethod
    def begun(cls, stack: Stack) -> Story:
        clock = stack.clock
        assert isinstance(clock, FrozenClock)
        ends = clock.now() + timedelta(days=365)
        instance = make_instance(stack, bucket=stack.settings.bucket, expires_at=ends)
        for name in ("library", "elsewhere"):
            make_namespace(stack, instance, name)
        return cls(stack, clock, instance)

    @property
    def owner(self) -> Caller:
        return owner_of(Instances(self.stack).load(self.instance.id))

    @property
    def api(self) -> Api:
        """Signed in afresh: no session lasts a day."""
        return Api.signed_in(self.stack, Role.OWNER)

    def fill(self, repositories: int, tags: int) -> None:
        """Repositories of so many tags each on three digests, the last tag moved once; each shares a layer with all."""
        registry = Registry(self.stack)
        push_image(registry, self.owner, SHARED, b"its own", name=ELSEWHERE)
        for number in range(repositories):
            name = RepositoryName(f"library/app-{number}")
            layers = [f"{number} {digest}".encode() for digest in range(3)]
            for data in (b"{}", SHARED, *layers):
                push_blob(registry, self.owner, data, name)
            for start in range(0, tags, TAGS_A_PUSH):
                body = image(SHARED, layers[start // TAGS_A_PUSH % 3])
                names = [f"v{tag}" for tag in range(start, min(start + TAGS_A_PUSH, tags))]
                push_manifest(registry, self.owner, body, *names, name=name)
            push_manifest(registry, self.owner, image(SHARED, layers[1]), f"v{tags - 1}", name=name)
        path = "/instances/ci/namespaces/library/repositories/app-0"
        assert self.api.patch(path, {"visibility": "public"}).status == 200
        assert self.api.post(f"{path}/shares", {"account": "guests", "username": "bob"}).status == 201
        rule = {"namespace": "library", "tags": "v*"}
        assert self.api.post("/instances/ci/immutability-rules", rule).status == 201
        for push in self.objects("pushes"):
            object_settled(self.stack, self.instance.bucket, push)
        self.pass_days(8)
        self.pass_days(2)

    def objects(self, kind: str) -> dict[str, int]:
        found: dict[str, int] = {}
        cursor = None
        while True:
            objects = self.stack.objects(self.instance.bucket)
            page = objects.list(f"{self.instance.id}/{kind}/", cursor=cursor)
            found |= {one.key: one.size for one in page.items}
            if (cursor := page.next) is None:
                return found

    def pass_days(self, days: float) -> None:
        self.clock.advance(days * DAY)
        run_background(self.stack)
        assert list(Fsck(self.stack, deep=True).run()) == []

    def pass_frozen(self, days: int) -> None:
        """As a customer who paid too late."""
        instances = Instances(self.stack)
        instance = instances.change(instances.load(self.instance.id), expires_at=self.clock.now())
        self.pass_days(days)
        ends = self.clock.now() + timedelta(days=365)
        instances.change(instance, expires_at=ends, stood_still_s=instance.stood_still_s + days * DAY)

    def delete(self) -> None:
        assert self.api.delete("/instances/ci/namespaces/library", confirm="library").status == 202
        run_tasks(self.stack)
        assert list(Fsck(self.stack, deep=True).run()) == []

    def restore(self) -> None:
        (entry,) = self.api.get("/instances/ci/recycle-bin").json()["items"]
        assert (entry["name"], entry["remaining_s"], entry["restorable"]) == ("library", DAY, True)
        assert self.api.post(f"/instances/ci/recycle-bin/{entry['id']}/restore").status == 202
        run_tasks(self.stack)
        assert list(Fsck(self.stack, deep=True).run()) == []

    def lasting(self) -> Rows:
        """What users see, but for the instance, which was frozen meanwhile."""
        return {key: row for key, row in lasting(everything(self.stack)).items() if key[1] != "INSTANCE"}

    def download_elsewhere(self) -> None:
        registry = Registry(self.stack)
        for digest in (Digest.of(SHARED), Digest.of(b"its own"), Digest.of(b"{}")):
            reading = registry.read_blob(registry.blob(self.owner, ELSEWHERE, digest))
            content = b"".join(reading.chunks())
            reading.close()
            assert f"sha256:{hashlib.sha256(content).hexdigest()}" == digest
        assert registry.pull(self.owner, ELSEWHERE, TagName("v1")).digest == Digest.of(image(SHARED, b"its own"))


@pytest.mark.campaign
def test_a_namespace_of_ten_thousand_tags_comes_back_whole_and_then_goes_for_good(stack: Stack) -> None:
    """X1, N2, I6, X3: frozen for three days on day 4, which count for nothing"""
    story = Story.begun(stack)
    story.fill(repositories=10, tags=1000)
    before, stored = story.lasting(), story.objects("blobs")
    assert sum(1 for _, sk in before if sk.startswith("TAG#")) == 10_001
    story.delete()
    story.pass_days(4)
    story.pass_frozen(3)
    story.pass_days(2)
    story.restore()
    after = story.lasting()
    assert after.keys() == before.keys()
    assert [key for key in after if after[key] != before[key]] == []
    assert story.objects("blobs") == stored
    story.download_elsewhere()
    story.delete()
    story.pass_days(6.9)
    assert story.objects("blobs") == stored
    story.pass_days(0.1)
    story.pass_days(1)
    left = {SHARED, b"its own", b"{}"}
    assert sorted(story.objects("blobs").values()) == sorted(len(data) for data in left)
    usage = Instances(story.stack).usage(story.instance)
    assert (usage.storage.used, usage.storage.binned) == (sum(map(len, left)), 0)
    assert (usage.repositories.used, usage.namespaces.used) == (1, 1)
    story.download_elsewhere()
    story.pass_days(2)
    assert [key for key in everything(story.stack) if key[0].startswith(("BIN#", "POLICY#"))] == []
    assert len({key[0] for key in everything(story.stack) if key[0].startswith("REPO#")}) == 1
