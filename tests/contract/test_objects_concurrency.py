"""What `ports.objects` promises to many threads at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from chalicelib.ports.objects import ObjectExists, ObjectMissing, Objects, Part

T = TypeVar("T")
THREADS = 6
UPLOADS = 60  # of which some meet the moment between an upload's new name and the end of its old one


def at_once(function: Callable[[int], T]) -> list[T]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(function, range(THREADS)))


def content(objects: Objects, key: str) -> bytes:
    reading = objects.get(key)
    try:
        return b"".join(reading.chunks())
    finally:
        reading.close()


def test_of_many_puts_of_one_key_one_wins(concurrent_objects: Objects) -> None:
    def put(thread: int) -> bool:
        try:
            concurrent_objects.put("folder/key", b"%d" % thread * 10_000)
        except ObjectExists:
            return False
        return True

    won = at_once(put)

    assert won.count(True) == 1
    assert content(concurrent_objects, "folder/key") == b"%d" % won.index(True) * 10_000


def test_one_upload_completed_by_many_is_completed(concurrent_objects: Objects) -> None:
    for number in range(UPLOADS):
        key = f"folder/{number}"
        multipart = concurrent_objects.begin(key)
        parts = [concurrent_objects.part(key, multipart, 1, 0, b"content")]

        def complete(_thread: int, key: str = key, multipart: str = multipart, parts: list[Part] = parts) -> None:
            concurrent_objects.complete(key, multipart, parts)

        at_once(complete)

        assert content(concurrent_objects, key) == b"content"


def test_folders_that_come_and_go_lose_no_object(concurrent_objects: Objects) -> None:
    """Every delete may empty the folder into which another thread is putting."""

    def come_and_go(thread: int) -> None:
        for number in range(25):
            key = f"a/b/c/{thread}-{number}"
            concurrent_objects.put(key, key.encode(), relaxed=True)
            assert content(concurrent_objects, key) == key.encode()
            concurrent_objects.list("a/", limit=2)
            concurrent_objects.delete(key)

    at_once(come_and_go)

    assert concurrent_objects.list("").items == ()


def test_a_reader_sees_an_object_whole_or_not_at_all(concurrent_objects: Objects) -> None:
    whole = b"x" * 300_000
    seen: list[bytes] = []

    def work(thread: int) -> None:
        for number in range(10):
            if thread == 0:
                concurrent_objects.put(f"f/{number}", whole)
                continue
            try:
                seen.append(content(concurrent_objects, f"f/{number}"))
            except ObjectMissing:
                continue

    at_once(work)

    assert all(data == whole for data in seen)
