"""Queues in SQLite, in a file of their own so that messages do not end what is remembered of the table."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final, NoReturn

from chalicelib.kernel.errors import TooLarge
from chalicelib.kernel.ids import LEAST_TAIL, id_at, moment_of, new_id
from chalicelib.kernel.moment import Clock
from chalicelib.ports.queues import Delivery

from .database import Database
from .durability import end_process

MOST_ATTEMPTS: Final = 5
BODY_LIMIT_BYTES: Final = 256 * 1024
DELAY_LIMIT_S: Final = 900
DEAD: Final = "-dead"
# As long as SQS keeps anything.
DEAD_KEPT: Final = timedelta(days=14)
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS messages (
    id TEXT PRIMARY KEY, queue TEXT NOT NULL, visible_ms INTEGER NOT NULL, attempt INTEGER NOT NULL,
    receipt TEXT NOT NULL, body TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS messages_visible ON messages (queue, visible_ms)
"""
# An empty queue is looked at this often, at first and in the end.
_POLL_FIRST_S: Final = 0.02
_POLL_LAST_S: Final = 0.25


class SqliteQueues:
    """See `ports.queues.Queues`. Sends are durable; a delivery's state may be lost with the power, which repeats it."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        sleep: Callable[[float], None] = time.sleep,
        end: Callable[[str], NoReturn] = end_process,
    ) -> None:
        self._database = Database(path, _SCHEMA, end)
        self._clock = clock
        self._sleep = sleep
        self.close = self._database.close

    def send(self, queue: str, bodies: Sequence[str], *, delay_s: int = 0) -> None:
        if not 0 <= delay_s <= DELAY_LIMIT_S:
            raise ValueError(f"a message waits 0–{DELAY_LIMIT_S} s")
        if any(len(body.encode()) > BODY_LIMIT_BYTES for body in bodies):
            raise TooLarge("message", BODY_LIMIT_BYTES)
        if not bodies:
            return
        visible_ms = self._now_ms() + delay_s * 1000
        now = self._clock.now()
        rows = [(id_at(now), queue, visible_ms, 0, "", body) for body in bodies]
        self._database.write(lambda cursor: cursor.executemany("INSERT INTO messages VALUES (?,?,?,?,?,?)", rows))

    def receive(self, queue: str, *, most: int = 10, visibility_s: int = 60, wait_s: float = 0) -> list[Delivery]:
        if not 1 <= most <= 10:
            raise ValueError("1–10 messages are received at once")
        deadline = time.monotonic() + wait_s
        pause_s = _POLL_FIRST_S
        while True:
            if self._waiting(queue) and (deliveries := self._take(queue, most, visibility_s)):
                return deliveries
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return []
            self._sleep(min(pause_s, left_s))
            pause_s = min(pause_s * 1.5, _POLL_LAST_S)

    def extend(self, delivery: Delivery, visibility_s: int) -> None:
        sql = "UPDATE messages SET visible_ms=? WHERE id=? AND receipt=?"
        values = (self._now_ms() + visibility_s * 1000, delivery.id, delivery.receipt)
        self._database.write(lambda cursor: cursor.execute(sql, values), relaxed=True)

    def complete(self, deliveries: Sequence[Delivery]) -> None:
        if not deliveries:
            return
        # By queue as well: a message that went to the dead letters meanwhile stays there to be looked at.
        done = [(delivery.id, delivery.queue) for delivery in deliveries]
        sql = "DELETE FROM messages WHERE id=? AND queue=?"
        self._database.write(lambda cursor: cursor.executemany(sql, done), relaxed=True)

    def fail(self, delivery: Delivery, *, delay_s: int) -> None:
        if delivery.attempt >= MOST_ATTEMPTS and not delivery.queue.endswith(DEAD):
            self._database.write(lambda cursor: self._bury(cursor, delivery.id, delivery.receipt), relaxed=True)
        else:
            self.extend(delivery, delay_s)

    def depth(self, queue: str) -> int:
        sql = "SELECT count(*) FROM messages WHERE queue=? AND id>=?"
        oldest = self._oldest_kept() if queue.endswith(DEAD) else ""
        try:
            return int(self._database.reader().execute(sql, (queue, oldest)).fetchone()[0])
        except sqlite3.Error as error:
            self._database.refuse(error)

    def _waiting(self, queue: str) -> bool:
        """Whether something can be received; a read, so that looking at an idle queue writes nothing."""
        sql = "SELECT 1 FROM messages WHERE queue=? AND visible_ms<=? LIMIT 1"
        try:
            return self._database.reader().execute(sql, (queue, self._now_ms())).fetchone() is not None
        except sqlite3.Error as error:
            self._database.refuse(error)

    def _take(self, queue: str, most: int, visibility_s: int) -> list[Delivery]:
        now_ms = self._now_ms()
        hidden_until_ms = now_ms + visibility_s * 1000
        find = (
            "SELECT id, attempt, receipt, body FROM messages"
            " WHERE queue=? AND visible_ms<=? ORDER BY visible_ms LIMIT ?"
        )
        hide = "UPDATE messages SET visible_ms=?, attempt=?, receipt=? WHERE id=?"

        def change(cursor: sqlite3.Cursor) -> list[Delivery]:
            self._forget(cursor, queue)
            deliveries = []
            for message, attempt, receipt, body in cursor.execute(find, (queue, now_ms, most)).fetchall():
                if attempt >= MOST_ATTEMPTS and not queue.endswith(DEAD):
                    self._bury(cursor, message, receipt)  # its fifth receiver vanished without a word
                    continue
                delivery = Delivery(message, queue, body, attempt + 1, new_id(), moment_of(message))
                cursor.execute(hide, (hidden_until_ms, delivery.attempt, delivery.receipt, message))
                deliveries.append(delivery)
            return deliveries

        return self._database.write(change, relaxed=True)

    def _bury(self, cursor: sqlite3.Cursor, message: str, receipt: str) -> None:
        # Nobody else may ever look at dead letters, so those that are too old go when one comes.
        cursor.execute("DELETE FROM messages WHERE queue LIKE '%' || ? AND id<?", (DEAD, self._oldest_kept()))
        cursor.execute(
            "UPDATE messages SET queue=queue||?, visible_ms=?, attempt=0, receipt='' WHERE id=? AND receipt=?",
            (DEAD, self._now_ms(), message, receipt),
        )

    def _forget(self, cursor: sqlite3.Cursor, queue: str) -> None:
        """Dead letters whose time is over."""
        if queue.endswith(DEAD):
            cursor.execute("DELETE FROM messages WHERE queue=? AND id<?", (queue, self._oldest_kept()))

    def _oldest_kept(self) -> str:
        return id_at(self._clock.now() - DEAD_KEPT, LEAST_TAIL)

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)
