"""Pushes under way. An intent is OPEN until its commit takes it away or somebody swaps it to ABORTED; never both.

The swap is the fence, not the clock: a pusher that slept through its deadline fails its commit.
"""

from __future__ import annotations

from chalicelib.kernel.moment import to_text
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import ConditionFailed, Key, Update, any_of, equals

from . import store
from .blobs import Blobs
from .children import let_go
from .models import ManifestRecord


class Intents:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table
        self._blobs = Blobs(stack)

    def withdraw(self, instance: str, record: ManifestRecord) -> None:
        """A pusher that knows that it has not committed gives up. A reaper may have taken it for dead before its edges
        came, and its intent away: with the intent back, there is something to find them by."""
        moment = to_text(self._stack.clock.now())
        intent = store.intent_item(record.incarnation, instance, record, moment)
        self._table.put({**intent, "state": "ABORTED"}, relaxed=True)
        self.abandon(record.incarnation)

    def abandon(self, incarnation: str) -> None:
        """First ABORTED, then its edges and holds go, then the intent itself. Safe to repeat; a committed push is
        left alone, since its intent is gone."""
        key = keys.intent(incarnation)
        still_uncommitted = any_of(equals("state", "OPEN"), equals("state", "ABORTED"))
        try:
            intent = self._table.update(Update(key, set={"state": "ABORTED"}, when=still_uncommitted))
        except ConditionFailed:
            return
        moment = self._stack.clock.now()
        instance, repository = intent["instance_id"], intent["repository_id"]
        for digest in intent["blobs"]:
            self._blobs.drop_edge(keys.edge(instance, digest, repository, "MANIFEST", incarnation))
            self._blobs.release(instance, repository, digest, moment)
        for child in intent["children"]:
            let_go(self._table, repository, child, incarnation, to_text(moment), mortal=False)
        self._table.delete(Key(*key), relaxed=True)
