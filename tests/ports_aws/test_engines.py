"""The whole stack against engines of their own, as a gateway would use it: many threads, large uploads, links."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from urllib.request import urlopen

import pytest
from botocore.exceptions import ReadTimeoutError

from chalicelib.kernel.errors import Unavailable
from chalicelib.kernel.settings import Settings
from chalicelib.ports.stack import Stack, open_stack
from chalicelib.ports.table import ConditionFailed, Key, Put, TransactionCancelled, Update, absent, equals

from .adapters import REQUIRED, engine_clients, open_engine_table
from .conftest import Faults
from .emulators import aws_emulator, installed

MIB = 1024 * 1024
THREADS = 8

pytestmark = pytest.mark.skipif(not (REQUIRED or installed()), reason="`.ci/install-emulators` has not run")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with aws_emulator(tmp_path_factory.mktemp("aws")) as environment, pytest.MonkeyPatch.context() as variables:
        for name, value in environment.items():
            variables.setenv(name, value)
        opened = open_stack(Settings.from_environment(environment))
        yield opened
        opened.close()


def test_of_many_who_put_the_same_absent_item_one_succeeds(stack: Stack) -> None:
    def attempt(number: int) -> int:
        try:
            stack.table.put({"pk": "race", "sk": str(number % 10), "by": number}, absent())
        except ConditionFailed:
            return 0
        return 1

    with ThreadPoolExecutor(THREADS) as threads:
        assert sum(threads.map(attempt, range(80))) == 10


def test_counts_and_transactions_of_many_threads_add_up(stack: Stack) -> None:
    stack.table.put({"pk": "sum", "sk": "total", "version": 0})

    def count_up(number: int) -> None:
        for _ in count():
            item = stack.table.get(Key("sum", "total"))
            assert item is not None
            version = item["version"]
            swap = Update(Key("sum", "total"), set={"version": version + 1}, when=equals("version", version))
            entry = Put({"pk": "sum", "sk": f"entry {number}", "version": version}, absent())
            try:
                stack.table.transact([swap, entry])
            except (TransactionCancelled, Unavailable):
                continue
            return

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(count_up, range(40)))
    entries = stack.table.query("sum", prefix="entry ").items
    assert sorted(entry["version"] for entry in entries) == list(range(40))


def test_a_transaction_whose_answer_was_lost_counts_once(tmp_path: Path) -> None:
    clients = engine_clients("tables")
    with open_engine_table(tmp_path) as table, Faults(clients) as faults:
        table.put({"pk": "p", "sk": "s", "used": 0})
        faults.after("dynamodb.TransactWriteItems", ReadTimeoutError(endpoint_url="https://table"), times=2)
        table.transact([Update(Key("p", "s"), add={"used": 1})])
        assert table.get(Key("p", "s")) == {"pk": "p", "sk": "s", "used": 1}


def test_a_large_upload_in_parts_comes_back_whole_and_by_link(stack: Stack) -> None:
    objects = stack.objects(stack.settings.bucket)
    data = random.Random(20).randbytes(20 * MIB + 7)
    size = objects.part_min_bytes
    key = "instance/blobs/20/upload"
    multipart = objects.begin(key)
    with ThreadPoolExecutor(THREADS) as threads:
        parts = list(
            threads.map(
                lambda start: objects.part(key, multipart, start // size + 1, start, data[start : start + size]),
                range(0, len(data), size),
            )
        )
    objects.complete(key, multipart, parts)

    link = objects.presign(key, expires_s=60, media_type="application/x-layer")
    assert link is not None
    with urlopen(link) as answer:
        assert answer.headers["content-type"] == "application/x-layer"
        assert hashlib.sha256(answer.read()).digest() == hashlib.sha256(data).digest()
    reading = objects.get(key, 5 * MIB - 3, 15 * MIB + 3)
    assert b"".join(reading.chunks()) == data[5 * MIB - 3 : 15 * MIB + 3]
    assert reading.size == len(data)
    reading.close()


def test_every_message_reaches_one_of_many_consumers(stack: Stack) -> None:
    sent = [f"message {number}" for number in range(100)]
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda start: stack.queues.send("collection", sent[start : start + 10]), range(0, 100, 10)))

        def consume(_: int) -> list[str]:
            bodies = []
            while deliveries := stack.queues.receive("collection"):
                bodies += [delivery.body for delivery in deliveries]
                stack.queues.complete(deliveries)
            return bodies

        received = [body for bodies in threads.map(consume, range(THREADS)) for body in bodies]
    assert sorted(received) == sorted(sent)
