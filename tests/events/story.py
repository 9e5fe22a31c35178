"""Pushes of every kind, a deletion in the background and a run of retention by its schedule; and what has to follow.

story = Story(stack, clock, seed, receiver)     an enterprise instance of its own with all that follows a push on
story.happens()                                 clients push; a person deletes a namespace
story.rests()                                   everything else, with events and messages mangled
assert story.wrong() == []
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from chalicelib.audit.models import Filter
from chalicelib.audit.service import Audit
from chalicelib.collection.service import Fsck
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.names import RepositoryName
from chalicelib.kernel.principal import Principal
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.registry.models import Caller
from chalicelib.registry.series import Series
from chalicelib.registry.service import Registry
from chalicelib.repositories.service import Repositories
from tests.management import Api
from tests.notifications.receiver import Receiver
from tests.registry.images import image, index, push_blob, push_manifest
from tests.stacks import FrozenClock, make_instance, make_namespace

from .mangling import Mangled

EVENTS = ("image.pushed", "namespace.deleted", "task.finished")
APP, AGED, GOING = (RepositoryName.parse(name) for name in ("library/app", "library/aged", "going/app"))
ONE, TWO = image(b"base", b"one"), image(b"base", b"two")
# Minutes until the schedule fires, and the run is over.
ROUNDS = 15


class Story:
    def __init__(self, stack: Stack, clock: FrozenClock, seed: int, receiver: Receiver) -> None:
        self._clock = clock
        self._receiver = receiver
        self._mangled = Mangled(stack, clock, seed)
        self.stack = self._mangled.stack
        self._begun = clock.now()
        self._name = f"ci-{seed}"
        self._instance = make_instance(self.stack, self._name, bucket=stack.settings.bucket)
        for namespace in ("library", "going"):
            make_namespace(self.stack, self._instance, namespace)
        self._requests: list[str] = []
        self._set_up()

    def _set_up(self) -> None:
        self._ask("POST", "/webhooks", {"url": self._receiver.url, "events": list(EVENTS)})
        fires = self._clock.now() + timedelta(minutes=10)
        rule = {"repositories": AGED.short, "tags": "old-*", "keep_last": 1}
        self._ask("POST", "/namespaces/library/retention/rules", rule)
        schedule = {"cron": f"{fires.minute} {fires.hour} * * *", "timezone": "UTC"}
        self._ask("PUT", "/namespaces/library/retention", {"schedule": schedule, "acknowledged": True})

    def _ask(self, method: str, path: str, body: object = None, **query: object) -> Any:
        answer = Api.signed_in(self.stack).send(method, f"/instances/{self._name}{path}", body, query)
        assert answer.status < 300, answer.text
        return answer.json()

    # What clients and people do

    def happens(self) -> None:
        for data in (b"{}", b"base", b"one", b"two"):
            for name in (APP, AGED, GOING):
                push_blob(Registry(self.stack), self._caller(), data, name)
        self._push(ONE, "v1")
        self._push(ONE, "v2")  # a second tag
        self._push(ONE, "v1")  # the same digest once more
        self._push(TWO, "v1")  # the tag moves
        self._push(index(ONE, TWO), "multi")
        for number in range(4):
            self._push((ONE, TWO)[number % 2], f"old-{number}", name=AGED)
        self._push(ONE, "v1", name=GOING)
        self._ask("DELETE", "/namespaces/going", confirm="going")

    def _push(self, body: bytes, tag: str, name: RepositoryName = APP) -> None:
        self._clock.advance(1)
        push_manifest(Registry(self.stack), self._caller(keep=True), body, tag, name=name)

    def _caller(self, *, keep: bool = False) -> Caller:
        request = new_id()
        if keep:
            self._requests.append(request)
        return Caller(self._instance, Principal("primary", "admin", self._instance.id, 1), "192.0.2.7", request)

    def rests(self) -> None:
        self._mangled.rest(ROUNDS)

    # What has to follow, once each

    def wrong(self) -> list[str]:
        """One line for each thing that is missing or double."""
        checks = (self._recorded, self._summed_up, self._counted, self._told, self._retained, self._cleared)
        found = [f"{check.__name__}: {line}" for check in checks for line in check()]
        if self._mangled.lost == 0:
            found.append("nothing was lost, so nothing is shown")
        return found

    def _recorded(self) -> Iterator[str]:
        entries = Audit(self.stack).search(self._instance.id, Filter(), None, 200).items
        pushes = [entry.request_id for entry in entries if entry.action == "push"]
        yield from _different(self._requests, pushes)
        yield from _different(["going"], [one.namespace for one in entries if one.object_type == "namespace"])

    def _summed_up(self) -> Iterator[str]:
        for name in (APP, AGED):
            repository = Repositories(self.stack).get(self._instance.id, name, fresh=True)
            rows = self.stack.table.query(keys.repository_partition(repository.id), prefix="MANIFEST#").items
            yield from (f"{row['digest']} has no summary" for row in rows if row["platforms"] is None)
            if repository.kind != "image":
                yield f"{name} has no kind"

    def _counted(self) -> Iterator[str]:
        hours = Series(self.stack).hours(self._instance.id, self._begun, self._clock.now())
        pushes = sum(hour.pushes for hour in hours)
        if pushes != len(self._requests):
            yield f"{pushes} pushes are counted of {len(self._requests)}"

    def _told(self) -> Iterator[str]:
        mine = [event for event in self._receiver.events if self._instance.id in event["source"]]
        yield from (f"{one} came {count} times" for one, count in Counter(e["id"] for e in mine).items() if count > 1)
        wanted = {"image.pushed": len(self._requests), "namespace.deleted": 1, "task.finished": 2}
        seen = Counter(event["type"] for event in mine)
        if seen != wanted:
            yield f"told of {dict(seen)}, not {wanted}"
        (webhook,) = self._ask("GET", "/webhooks")["items"]
        deliveries = self._ask("GET", f"/webhooks/{webhook['id']}/deliveries", limit=200)["items"]
        if len(deliveries) != sum(wanted.values()) or {one["state"] for one in deliveries} != {"delivered"}:
            yield f"deliveries: {Counter(one['state'] for one in deliveries)}"

    def _retained(self) -> Iterator[str]:
        every = self._ask("GET", "/tasks")["items"]
        looked_over = [task["state"] for task in every if task["kind"] == "advice"]
        # Each push is looked over, but for the one whose namespace went at once. Its layers are no archives.
        if len(looked_over) != len(self._requests) - 1 or not {"succeeded", "failed"}.issuperset(looked_over):
            yield f"looked over: {Counter(looked_over)}"
        tasks = [task for task in every if task["kind"] != "advice"]
        yield from _different(["retention", "deletion"], [task["kind"] for task in tasks])
        yield from (f"{task['kind']} is {task['state']}" for task in tasks if task["state"] != "succeeded")
        tags = self._ask("GET", f"/namespaces/library/repositories/{AGED.short}/tags")["items"]
        yield from _different(["old-3"], [tag["tag"] for tag in tags])
        (run,) = [task for task in tasks if task["kind"] == "retention"] or [{"id": "none", "counts": {}}]
        items = self._ask("GET", f"/tasks/{run['id']}/items")["items"]
        wanted = {"old-0": "deleted", "old-1": "deleted", "old-2": "deleted", "old-3": "kept"}
        verdicts = {item["tag"]: item["verdict"] for item in items}
        if len(items) != len(wanted) or verdicts != wanted:
            yield f"verdicts {verdicts}"
        if (run["counts"].get("deleted"), run["counts"].get("kept")) != (3, 1):
            yield f"counts {run['counts']}"
        entries = self.stack.table.query(keys.bin_partition(self._instance.id), prefix="ENTRY#").items
        yield from _different(["old-0", "old-1", "old-2", "going"], [entry["name"] for entry in entries])

    def _cleared(self) -> Iterator[str]:
        left = self.stack.objects(self._instance.bucket).list(f"{self._instance.id}/pushes/").items
        yield from (f"{one.key} is left" for one in left)
        for queue in ("collection", "tasks", "webhooks"):
            if self.stack.queues.depth(f"{queue}-dead"):
                yield f"{queue} has dead letters"
        app = Repositories(self.stack).get(self._instance.id, APP, fresh=True)
        rows = self.stack.table.query(keys.repository_partition(app.id), prefix="HISTORY#v1#").items
        if len(rows) != 2:
            yield f"v1 has {len(rows)} lines of history"
        yield from (str(finding) for finding in Fsck(self.stack).run())


def _different(wanted: Sequence[str], seen: Sequence[str]) -> Iterator[str]:
    if sorted(wanted) != sorted(seen):
        missing, more = Counter(wanted) - Counter(seen), Counter(seen) - Counter(wanted)
        yield f"missing {dict(missing)}, too many {dict(more)}"
