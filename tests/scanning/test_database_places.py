"""Where the database lies: on AWS, in a backup, in the processes that read it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from chalicelib.host.backup import backup, restore
from chalicelib.kernel.settings import Settings
from chalicelib.ports.objects import ObjectMissing
from chalicelib.ports.stack import Stack, open_stack
from chalicelib.scanning import database_store as store
from chalicelib.scanning import databases
from chalicelib.scanning.database_import import DatabaseImport
from chalicelib.scanning.database_pages import ObjectPages
from chalicelib.scanning.database_sources import Arrived
from tests.ports_aws.adapters import moto_clients
from tests.ports_aws.emulators import environment_of
from tests.ports_aws.resources import create_resources
from tests.stacks import FrozenClock

from .vulndb import NOON, make_database, packages


@pytest.fixture
def on_aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: FrozenClock) -> Iterator[Stack]:
    for name, value in {**environment_of(), "TMPDIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("tempfile.tempdir", None)
    with mock_aws():
        settings = Settings(stack="aws", region="eu-central-1")
        create_resources(moto_clients(), settings)
        with open_stack(settings, clock) as opened:
            yield opened


def use(stack: Stack, folder: Path) -> None:
    DatabaseImport(stack).take_over(Arrived(folder, "a folder"), force=True)


def test_on_aws_a_process_copies_the_database_it_examines_with(on_aws: Stack, tmp_path: Path) -> None:
    """S2"""
    use(on_aws, make_database(tmp_path / "one"))
    database, folder = databases.current(on_aws), databases.folder(on_aws)
    assert database is not None
    assert folder is not None
    assert tmp_path in folder.parents
    assert database.advisories("debian 12", "package-7")
    use(on_aws, make_database(tmp_path / "two", packages(fixed="3.0"), updated_at=NOON))
    database = databases.current(on_aws)
    assert database is not None
    assert database.advisories("debian 12", "package-7")["CVE-2026-1007"].fixed == "3.0"
    assert not folder.exists(), "the old copy takes up no room"


def test_on_aws_texts_are_read_in_ranges_of_the_object(on_aws: Stack, tmp_path: Path) -> None:
    """S1"""
    use(on_aws, make_database(tmp_path / "one", packages(2000)))
    found = databases.texts(on_aws).describe([f"CVE-2026-{1000 + n}" for n in range(0, 2000, 100)])
    assert len(found) == 20


def test_pages_read_from_objects_are_those_of_the_file(stack: Stack, tmp_path: Path) -> None:
    folder = make_database(tmp_path / "one", packages(3000))
    use(stack, folder)
    whole = (folder / "trivy.db").read_bytes()
    pointer = store.pointer(stack.table)
    assert pointer is not None
    key = store.object_key(pointer.record.digest, pointer.record.attempt, "trivy.db")
    pages = ObjectPages(stack.objects(stack.settings.bucket), key, len(whole))
    for offset in (0, 1, 4096, 32_767, 32_768, 100_000, len(whole) - 10, len(whole), len(whole) + 5):
        for size in (0, 1, 20, 4096, 40_000, 200_000):
            assert pages.read(offset, size) == whole[offset : offset + size], (offset, size)
    with pytest.raises(ObjectMissing):
        ObjectPages(stack.objects(stack.settings.bucket), key + "x", len(whole)).read(0, 10)


def test_processes_that_begin_at_once_share_one_copy(stack: Stack, tmp_path: Path) -> None:
    use(stack, make_database(tmp_path / "one"))
    others = [open_stack(stack.settings, stack.clock) for _ in range(4)]
    found: list[object] = []
    threads = [threading.Thread(target=lambda one=one: found.append(databases.current(one))) for one in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in others:
        one.close()
    assert len(found) == 4
    assert all(found)
    assert len(list((stack.settings.data / "vulnerabilities").iterdir())) == 1


def test_a_copy_that_a_power_cut_left_in_half_is_made_anew(stack: Stack, tmp_path: Path) -> None:
    use(stack, make_database(tmp_path / "one"))
    pointer = store.pointer(stack.table)
    assert pointer is not None
    half = databases.place_of(stack, pointer.record.digest)
    half.mkdir(parents=True)
    (half / "trivy.db").write_bytes(b"half")
    database = databases.current(stack)
    assert database is not None
    assert database.advisories("debian 12", "package-7")


def test_a_backup_holds_the_database_once_and_brings_it_back(stack: Stack, tmp_path: Path) -> None:
    use(stack, make_database(tmp_path / "one"))
    assert databases.current(stack) is not None
    backup(stack.settings, tmp_path / "backup")
    assert not (tmp_path / "backup" / "vulnerabilities").exists()
    settings = stack.settings.model_copy(update={"data": tmp_path / "restored"})
    restore(settings, tmp_path / "backup")
    with open_stack(settings) as restored:
        database = databases.current(restored)
        assert database is not None
        assert database.advisories("debian 12", "package-7")
