"""Backup beside a running service, and restore (R8)."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.host.backup import SEAL, backup, restore
from chalicelib.kernel.errors import Conflict, Invalid
from chalicelib.kernel.settings import Settings
from chalicelib.ports import keys, paths
from chalicelib.ports.table import Key
from tests.stacks import BUCKET, embedded_stack

NAMES = [f"01J0000000000000000000{number:04d}" for number in range(5)]


def key(number: int) -> str:
    return paths.blob("01J00000000000000000000000", NAMES[number])


def put(stack: object, number: int) -> None:
    """Bytes first, row second, as uploads do."""
    stack.objects(BUCKET).put(key(number), f"bytes of {number}".encode())  # type: ignore[attr-defined]
    stack.table.put({"pk": f"BLOB#{number}", "sk": "HEAD", "generation": NAMES[number]})  # type: ignore[attr-defined]
    stack.table.put(keys.upload(NAMES[number])._asdict())  # type: ignore[attr-defined]


def read(stack: object, number: int) -> bytes:
    reading = stack.objects(BUCKET).get(key(number))  # type: ignore[attr-defined]
    try:
        return b"".join(reading.chunks())
    finally:
        reading.close()


def test_restored_folder_holds_rows_bytes_and_secrets_of_the_backup(tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    with embedded_stack(tmp_path) as stack:
        stack.objects.create(BUCKET)  # type: ignore[attr-defined]
        put(stack, 1)
        secret = stack.settings.data / "secrets" / "key"
        secret.write_text("secret")
        report = backup(stack.settings, folder)
        put(stack, 2)  # the service goes on
    assert (report.tables, report.files, report.copied) == (3, 2, 2)
    restore(Settings(data=tmp_path / "restored" / "data"), folder)
    with embedded_stack(tmp_path / "restored") as stack:
        assert stack.table.get(Key("BLOB#1", "HEAD")) is not None
        assert stack.table.get(Key("BLOB#2", "HEAD")) is None
        assert read(stack, 1) == b"bytes of 1"
        assert (stack.settings.data / "secrets" / "key").read_text() == "secret"


def test_next_backup_copies_only_what_is_new_and_drops_what_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    with embedded_stack(tmp_path) as stack:
        stack.objects.create(BUCKET)  # type: ignore[attr-defined]
        put(stack, 1)
        put(stack, 2)
        backup(stack.settings, folder)
        put(stack, 3)
        stack.objects(BUCKET).delete(key(1))
        report = backup(stack.settings, folder)
    assert (report.files, report.copied) == (2, 1)
    assert not (folder / "buckets" / BUCKET / key(1)).exists()
    assert (folder / "buckets" / BUCKET / key(3)).read_bytes() == b"bytes of 3"


def test_backup_slower_than_deleted_bytes_are_kept_is_refused_and_leaves_the_older_one_whole(tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    with embedded_stack(tmp_path) as stack:
        stack.objects.create(BUCKET)  # type: ignore[attr-defined]
        put(stack, 1)
        backup(stack.settings, folder)
        put(stack, 2)
        moments = iter([0.0, float(stack.settings.tombstone_s)])
        with pytest.raises(Conflict, match="CRS_TOMBSTONE_S"):
            backup(stack.settings, folder, elapsed_s=lambda: next(moments))
    restore(Settings(data=tmp_path / "restored" / "data"), folder)
    with embedded_stack(tmp_path / "restored") as stack:
        assert stack.table.get(Key("BLOB#2", "HEAD")) is None
        assert read(stack, 1) == b"bytes of 1"


def test_restore_refuses_a_folder_with_data_in_it_and_a_backup_that_is_not_whole(tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    with embedded_stack(tmp_path) as stack:
        backup(stack.settings, folder)
        with pytest.raises(Conflict, match="not empty"):
            restore(stack.settings, folder)
    (folder / SEAL).unlink()
    with pytest.raises(Invalid, match="complete"):
        restore(Settings(data=tmp_path / "elsewhere"), folder)


def test_bytes_that_no_row_knows_are_not_backed_up(tmp_path: Path) -> None:
    """Such as those of an upload that ended after the tables were copied."""
    with embedded_stack(tmp_path) as stack:
        stack.objects.create(BUCKET)  # type: ignore[attr-defined]
        stack.objects(BUCKET).put(key(4), b"young")
        put(stack, 1)
        backup(stack.settings, tmp_path / "backup")
    held = [path.name for path in (tmp_path / "backup" / "buckets").rglob("*") if path.is_file()]
    assert held == [NAMES[1]]


def test_backup_goes_into_a_folder_of_its_own(tmp_path: Path) -> None:
    with embedded_stack(tmp_path) as stack:
        with pytest.raises(Invalid, match="inside"):
            backup(stack.settings, stack.settings.data / "backup")
        taken = tmp_path / "home"
        taken.mkdir()
        (taken / "letter").write_text("mine")
        with pytest.raises(Conflict, match="not empty"):
            backup(stack.settings, taken)
    with pytest.raises(Invalid, match="no service"):
        backup(Settings(data=tmp_path / "nothing"), tmp_path / "x")
