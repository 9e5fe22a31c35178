"""The stack of one machine as a whole."""

from __future__ import annotations

import asyncio
import contextvars
import stat
import threading
from pathlib import Path

import pytest

from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.settings import Settings
from chalicelib.ports.embedded.stack import create_bucket
from chalicelib.ports.stack import open_stack
from chalicelib.ports.table import Key

KEY = Key("P", "S")


def test_the_data_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    data = tmp_path / "deep" / "data"
    with open_stack(Settings(data=data)) as stack:
        stack.table.put({"pk": "P", "sk": "S"})
        stack.objects("crs").put("a/b", b"x")
        files = [data, *data.rglob("*")]
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in files}

    assert len(files) > 15
    assert {path: mode for path, mode in modes.items() if mode & 0o077} == {}


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    with open_stack(settings) as stack:
        stack.table.put({"pk": "P", "sk": "S"}, relaxed=True)
        stack.audit.put({"pk": "A", "sk": "S"})
        stack.queues.send("work", ["x"])
        stack.objects("crs").put("a/b", b"x")

    with open_stack(settings) as stack:
        assert stack.table.get(KEY) is not None
        assert stack.audit.get(Key("A", "S")) is not None
        assert len(stack.queues.receive("work")) == 1
        assert stack.objects("crs").get("a/b").size == 1


def test_buckets_are_made_by_the_operator(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    with open_stack(settings) as stack:
        with pytest.raises(NotFound):
            stack.objects("team-bucket")
        create_bucket(settings, "team-bucket")
        stack.objects("team-bucket").put("a", b"")


def test_audit_and_queues_do_not_end_what_is_remembered(tmp_path: Path) -> None:
    with open_stack(Settings(data=tmp_path / "data")) as stack:
        epoch = stack.table.epoch()
        stack.audit.put({"pk": "A", "sk": "S"})
        stack.queues.send("work", ["x"])
        stack.queues.receive("work")
        stack.objects("crs").put("a", b"")

        assert stack.table.epoch() == epoch


def test_reads_run_in_line_and_writes_in_threads_with_the_callers_context(tmp_path: Path) -> None:
    request = contextvars.ContextVar("request", default="none")

    def where() -> tuple[int, str]:
        return threading.get_ident(), request.get()

    async def main() -> None:
        request.set("mine")
        here = threading.get_ident()
        assert await stack.read(where) == (here, "mine")
        thread, context = await stack.write(where)
        assert thread != here
        assert context == "mine"
        with pytest.raises(ZeroDivisionError):
            await stack.write(divmod, 1, 0)

    with open_stack(Settings(data=tmp_path / "data")) as stack:
        asyncio.run(main())


def test_closing_twice_is_harmless(tmp_path: Path) -> None:
    stack = open_stack(Settings(data=tmp_path / "data"))
    stack.close()
    stack.close()
