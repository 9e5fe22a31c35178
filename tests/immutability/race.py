"""Clients who all want one tag at once, by every way there is, while somebody switches the rule over it on and off.

    window   rule on, answered ─► the tag and its history as they stand ─── clients go on ─── the same again ─► rule off
    broken   in a window a tag that was there moved or went, or one that was not there had more than one digest

What is compared is what the table has: a tag comes to a digest in the transaction that puts its history row.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from chalicelib.immutability.models import NewRule, RuleEdit
from chalicelib.immutability.policies import Policies
from chalicelib.kernel import media
from chalicelib.kernel.errors import Refused
from chalicelib.kernel.names import Digest, NamespaceName, TagName
from chalicelib.kernel.patterns import Pattern
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.registry import store
from chalicelib.registry.copies import Copies, Copy
from chalicelib.registry.history import Histories
from chalicelib.registry.models import BinEntry, TagRecord
from chalicelib.registry.restoration import Restoration
from chalicelib.registry.retirement import Deletion, Retirement
from chalicelib.registry.service import Registry
from tests.registry.images import NAME, image, owner_of, push_blob
from tests.registry.library import Library

CLIENTS = 8
PUSHES = ("by tag", "by ?tag=", "with others", "copied")
# What a rule refuses too, and what never moves a tag: restoring puts back what is not there.
OTHERS = ("rolled back", "tag deleted", "digest deleted", "retired")
RESTORED = "restored"
# What clients may be told here; anything else, such as 503, is a fault.
TOLD = ("TAG_IMMUTABLE", "NOT_FOUND", "CONFLICT")


@dataclass(frozen=True)
class Standing:
    digest: str
    moves: int


@dataclass
class Round:
    """told: code → how often clients were told so, "" for success; by way."""

    tag: TagName
    broken: list[str] = field(default_factory=list)
    told: Counter[tuple[str, str]] = field(default_factory=Counter)
    acknowledged: set[str] = field(default_factory=set)


class Race:
    """On one stack, round after round; each has a tag of its own. `ablated`: what clients' rooms are made on."""

    def __init__(self, stack: Stack, ablated: Stack | None = None) -> None:
        self._stack = stack
        self._rooms = ablated or stack
        self._library = Library.opened(stack)
        self._instance = self._library.instance
        self._caller = owner_of(self._instance)
        self._policies = Policies(stack)
        for data in (b"{}", b"layer"):
            push_blob(Registry(stack), self._caller, data)
        self._repository = self._library.repository()
        new = NewRule(namespace=NamespaceName("library"), tags=Pattern.parse("t-*"), enabled=False)
        self._rule = self._policies.add(self._instance, new, "ann").id
        self.told: Counter[tuple[str, str]] = Counter()

    def run(self, rounds: Sequence[int]) -> list[str]:
        """What was broken. Every third round the rule stands throughout, and all that clients do is push."""
        broken: list[str] = []
        for number in rounds:
            done = self._steady(number) if number % 3 == 0 else self._switched(number)
            broken += [f"round {number}: {wrong}" for wrong in done.broken]
            self.told += done.told
        return broken

    # Rounds

    def _steady(self, number: int) -> Round:
        """Nobody has pushed the tag yet: of eight digests one wins, and it stays."""
        this = Round(TagName(f"t-{number}"))
        self._switch(enabled=True)
        before = self._look(this.tag)
        self._at_once([self._client(this, number, client, PUSHES) for client in range(CLIENTS)])
        self._compare(this, before, self._look(this.tag))
        if len(this.acknowledged) != 1:
            this.broken.append(f"{len(this.acknowledged)} digests were acknowledged")
        return this

    def _switched(self, number: int) -> Round:
        this = Round(TagName(f"t-{number}"))
        self._switch(enabled=False)
        if number % 2:
            self._push(this, number, 99, "by tag")
        ended = threading.Event()

        def switcher() -> None:
            while not ended.is_set():
                self._switch(enabled=True)
                before = self._look(this.tag)
                ended.wait(0.002)
                self._compare(this, before, self._look(this.tag))
                self._switch(enabled=False)

        switching = threading.Thread(target=switcher)
        switching.start()
        try:
            ways = (*PUSHES, *OTHERS, RESTORED)
            self._at_once([self._client(this, number, client, ways, deeds=2) for client in range(CLIENTS)])
        finally:
            ended.set()
            switching.join(60)
        return this

    def _at_once(self, acts: Sequence[Callable[[], None]]) -> None:
        start = threading.Barrier(len(acts))

        def run(act: Callable[[], None]) -> None:
            start.wait(30)
            act()

        threads = [threading.Thread(target=run, args=(act,)) for act in acts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)

    # What is seen

    def _switch(self, *, enabled: bool) -> None:
        self._policies.edit(self._instance, self._rule, RuleEdit(enabled=enabled))

    def _look(self, tag: TagName) -> Standing:
        """The history first: what comes between is seen as a move of a tag that was not there."""
        partition, prefix = (
            keys.repository_partition(self._repository.id),
            keys.history(self._repository.id, tag, "").sk,
        )
        moves = len(self._stack.table.query(partition, prefix=prefix, limit=1000).items)
        found = store.tag(self._stack.table, self._repository.id, tag)
        return Standing(found.digest if found else "", moves)

    def _compare(self, this: Round, before: Standing, after: Standing) -> None:
        if before.digest and after.digest != before.digest:
            this.broken.append(f"{before.digest} became {after.digest or 'nothing'} under the rule")
        if after.moves - before.moves > 1:
            this.broken.append(f"{after.moves - before.moves} moves under the rule")

    # What clients do

    def _client(self, this: Round, number: int, client: int, ways: Sequence[str], deeds: int = 1) -> Callable[[], None]:
        dice = random.Random(f"{number}/{client}")

        def act() -> None:
            for deed in range(deeds):
                way = ways[(client + number) % len(ways)] if deed == 0 else dice.choice(ways)
                self._push(this, number, client * deeds + deed, way)

        return act

    def _push(self, this: Round, number: int, client: int, way: str) -> None:
        body = image(b"layer", annotations={"client": f"{number}/{client}"})
        digest = Digest.of(body)
        try:
            self._do(way, this.tag, digest, body)
        except Refused as refused:
            if refused.code not in TOLD:
                this.broken.append(f"{way} was told {refused!r}")
            this.told[way, refused.code] += 1
        except Exception as crash:
            this.broken.append(f"{way} ended as {crash!r}")
        else:
            this.told[way, ""] += 1
            if way in PUSHES:
                this.acknowledged.add(digest)

    def _do(self, way: str, tag: TagName, digest: Digest, body: bytes) -> None:
        registry, caller = Registry(self._rooms), self._caller
        standing = store.tag(self._stack.table, self._repository.id, tag)
        deletion = Deletion(self._instance, self._repository, "ann")
        match way:
            case "by tag":
                registry.push(caller, NAME, tag, [], body, media.OCI_MANIFEST)
            case "by ?tag=":
                registry.push(caller, NAME, digest, [tag], body, media.OCI_MANIFEST)
            case "with others":
                registry.push(caller, NAME, TagName(f"x-{digest[7:20]}"), [tag], body, media.OCI_MANIFEST)
            case "copied":
                registry.push(caller, NAME, digest, [], body, media.OCI_MANIFEST)
                Copies(self._rooms).copy(Copy(caller, self._repository, digest, NAME, tag, referrers=False))
            case "rolled back":
                Histories(self._rooms).rollback(caller, self._repository, tag, self._earlier(tag, standing))
            case "tag deleted":
                registry.delete(caller, NAME, tag)
            case "restored":
                self._restore(tag)
            case "digest deleted" if standing is not None:
                registry.delete(caller, NAME, Digest(standing.digest))
            case "retired" if standing is not None:
                outcomes = Retirement(self._rooms).delete_tags(deletion, [standing])
                for outcome in outcomes.values():
                    if outcome is not None:
                        raise outcome

    def _restore(self, tag: TagName) -> None:
        """What was deleted last of the tag."""
        rows = self._stack.table.query(
            keys.bin_partition(self._instance.id), prefix="ENTRY#", limit=20, descending=True
        ).items
        named = [row for row in rows if any(one["name"] == tag for one in row["tags"])]
        for row in named[:1]:
            Restoration(self._rooms).restore(self._instance, BinEntry.model_validate(row), "ann")

    def _earlier(self, tag: TagName, standing: TagRecord | None) -> Digest:
        """Where the tag pointed to before it pointed to what it does."""
        partition, prefix = (
            keys.repository_partition(self._repository.id),
            keys.history(self._repository.id, tag, "").sk,
        )
        rows = self._stack.table.query(partition, prefix=prefix, limit=1000).items
        left = [row["digest"] for row in rows if standing is None or row["digest"] != standing.digest]
        return Digest(left[-1]) if left else Digest.of(b"never")


class Dawdling:
    """Ports on which others come in between: each transaction lets them go first for a moment."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __call__(self) -> None:
        time.sleep(self._seconds)
