"""Keeping the database in sync: when a newer one is looked for, what is told of it, and texts read where it lies."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.kernel.names import Digest
from chalicelib.ports.stack import Stack
from chalicelib.scanning import database_rules, databases
from chalicelib.scanning import database_store as store
from chalicelib.scanning.database_import import DatabaseImport
from chalicelib.scanning.database_models import VulnerabilityDatabase
from chalicelib.scanning.database_schedule import keep_current, look
from chalicelib.scanning.database_sources import Arrived
from tests.management import Api
from tests.ports_remote.foreign import Foreign, foreign
from tests.stacks import FrozenClock, embedded_stack

from .vulndb import NOON, artifact, make_database, packages, packed

HOURS = 3600


def told(stack: Stack) -> VulnerabilityDatabase:
    return database_rules.seen(store.pointer(stack.table), store.check(stack.table), stack.clock.now())


@pytest.fixture
def registry() -> Iterator[Foreign]:
    with foreign() as made:
        yield made


@pytest.fixture
def synced(registry: Foreign, tmp_path: Path, clock: FrozenClock) -> Iterator[Stack]:
    offer(registry, make_database(tmp_path / "first"))
    with embedded_stack(tmp_path, clock, vulndb_source=f"127.0.0.1:{registry.port}/owner/app:2") as opened:
        yield opened


def offer(registry: Foreign, folder: Path) -> None:
    layer = packed(folder)
    registry.add(layer)
    registry.tags["2"] = artifact(layer)


def test_without_a_source_nothing_is_ever_called(stack: Stack) -> None:
    """Offline first: the demonstration is made here, and says what it is."""
    keep_current(stack)
    assert told(stack).state == "demonstration"
    assert told(stack).last_error is None


def test_a_source_is_asked_every_six_hours_and_fetched_when_it_has_another(
    synced: Stack, registry: Foreign, clock: FrozenClock, tmp_path: Path
) -> None:
    """S2"""
    keep_current(synced)
    assert (told(synced).state, told(synced).updated_at) == ("current", "2026-01-31T06:00:00.123456789Z")
    assert len(registry.asked) == 2
    offer(registry, make_database(tmp_path / "second", packages(fixed="3.0"), updated_at=NOON))
    clock.advance(6 * HOURS - 60)
    keep_current(synced)
    assert len(registry.asked) == 2
    clock.advance(60)
    keep_current(synced)
    assert told(synced).updated_at == NOON
    clock.advance(6 * HOURS)
    keep_current(synced)
    assert len(registry.asked) == 5, "a digest that is known is all that is read"


def test_a_source_that_does_not_answer_is_told_of_and_asked_an_hour_later(
    synced: Stack, registry: Foreign, clock: FrozenClock
) -> None:
    """S2: and the database in use stays in use."""
    keep_current(synced)
    clock.advance(6 * HOURS)
    tags, registry.tags = registry.tags, {}
    keep_current(synced)
    assert "does not know 2 of owner/app" in (told(synced).last_error or "")
    assert told(synced).state == "current"
    registry.tags = tags
    clock.advance(HOURS)
    keep_current(synced)
    assert told(synced).last_error is None


def test_an_artifact_that_was_refused_is_not_fetched_again_and_stays_told(
    synced: Stack, registry: Foreign, clock: FrozenClock, tmp_path: Path
) -> None:
    """S2: half the packages are gone."""
    keep_current(synced)
    offer(registry, make_database(tmp_path / "second", packages(50), updated_at=NOON))
    for _ in range(3):
        clock.advance(6 * HOURS)
        keep_current(synced)
        assert "more than 5 %" in (told(synced).last_error or "")
    assert [one.path.split("/")[4] for one in registry.asked] == ["manifests", "blobs"] * 2 + ["manifests"] * 2
    assert told(synced).updated_at == "2026-01-31T06:00:00.123456789Z"


def test_a_database_that_nobody_renews_becomes_stale_for_all_to_see(synced: Stack, clock: FrozenClock) -> None:
    """S2"""
    keep_current(synced)
    clock.advance(timedelta(hours=33).total_seconds())
    assert told(synced).state == "current"
    clock.advance(timedelta(hours=2).total_seconds())
    assert told(synced).state == "stale"
    assert told(synced).age_seconds == 37 * HOURS - 1


def test_one_host_looks_at_a_time(synced: Stack, registry: Foreign, clock: FrozenClock) -> None:
    seen = store.check(synced.table)
    claimed = seen.model_copy(update={"claimed_until": "2026-01-31T08:30:00.000000Z"})
    store.check_written(synced.table, claimed)
    keep_current(synced)
    assert registry.asked == []
    clock.advance(HOURS)
    keep_current(synced)
    assert len(registry.asked) == 2, "whoever looked has died"


def test_the_operators_folder_is_taken_over_whenever_its_files_are_others(tmp_path: Path, clock: FrozenClock) -> None:
    """S2: CRS_VULNDB"""
    folder = tmp_path / "folder"
    with embedded_stack(tmp_path, clock, vulndb=folder) as stack:
        keep_current(stack)
        assert told(stack).state == "demonstration"
        make_database(folder)
        keep_current(stack)
        assert told(stack).state == "current"
        checked = store.check(stack.table).checked_at
        clock.advance(60)
        keep_current(stack)
        assert store.check(stack.table).checked_at == checked, "the same files are not read again"
        make_database(folder, packages(fixed="3.0"), updated_at="2026-01-31T09:00:00Z")
        (folder / "trivy.db").write_bytes(b"damaged")
        keep_current(stack)
        assert "no vulnerability database" in (told(stack).last_error or "")
        shutil.rmtree(folder)
        make_database(folder, packages(fixed="3.0"), updated_at=NOON)
        keep_current(stack)
        assert (told(stack).updated_at, told(stack).last_error) == (NOON, None)


def test_what_was_imported_by_hand_is_not_fetched_again(
    synced: Stack, registry: Foreign, clock: FrozenClock, tmp_path: Path
) -> None:
    """Nor is what was refused, once the operator has forced it."""
    keep_current(synced)
    smaller = make_database(tmp_path / "second", packages(50), updated_at=NOON)
    offer(registry, smaller)
    clock.advance(6 * HOURS)
    keep_current(synced)
    assert "more than 5 %" in (told(synced).last_error or "")
    forced = Arrived(smaller, "by hand", Digest.of(registry.tags["2"]))
    DatabaseImport(synced).take_over(forced, force=True)
    asked = len(registry.asked)
    clock.advance(6 * HOURS)
    keep_current(synced)
    assert (told(synced).last_error, told(synced).updated_at) == (None, NOON)
    assert len(registry.asked) == asked + 1


def test_a_folder_that_is_older_than_what_is_in_use_is_left_and_is_no_failure(
    tmp_path: Path, clock: FrozenClock
) -> None:
    """S2: CRS_VULNDB names it still, and a newer one was imported by hand."""
    with embedded_stack(tmp_path, clock, vulndb=make_database(tmp_path / "folder")) as stack:
        use(stack, make_database(tmp_path / "newer", packages(fixed="3.0"), updated_at=NOON))
        keep_current(stack)
        assert (told(stack).updated_at, told(stack).last_error) == (NOON, None)


def test_a_look_at_once_is_for_the_operators_command(synced: Stack, registry: Foreign) -> None:
    keep_current(synced)
    look(synced, at_once=True)
    assert len(registry.asked) == 3


# Texts


def use(stack: Stack, folder: Path) -> None:
    DatabaseImport(stack).take_over(Arrived(folder, "a folder"), force=True)


def test_texts_are_read_from_where_the_database_lies(stack: Stack, tmp_path: Path) -> None:
    """S1: by processes that do not hold it."""
    assert databases.texts(stack).describe(["CVE-2026-1007"]) == {}
    use(stack, make_database(tmp_path / "one", packages(3000)))
    wanted = [f"CVE-2026-{1000 + n}" for n in range(0, 3000, 60)]
    found = databases.texts(stack).describe([*wanted, "CVE-1999-1"])
    assert sorted(found) == sorted(wanted)
    assert found["CVE-2026-1060"].title == "About CVE-2026-1060"
    assert not databases.place_of(stack, told(stack).digest or "").exists(), "nothing was copied for that"


def test_texts_follow_the_pointer_though_the_old_database_is_gone(
    stack: Stack, clock: FrozenClock, tmp_path: Path
) -> None:
    use(stack, make_database(tmp_path / "one"))
    assert databases.texts(stack).describe(["CVE-2026-1099"])
    for number in range(2, 6):
        clock.advance(24 * HOURS)
        use(stack, make_database(tmp_path / str(number), packages(fixed=str(number))))
    assert databases.texts(stack).describe(["CVE-2026-1001"])["CVE-2026-1001"].title == "About CVE-2026-1001"


# The API


def test_everybody_of_an_account_sees_which_database_is_used(stack: Stack, tmp_path: Path) -> None:
    """S2"""
    owner = Api.signed_in(stack)
    assert owner.get("/vulnerability-database").json()["state"] == "none"
    use(stack, make_database(tmp_path / "one"))
    shown = owner.get("/vulnerability-database").json()
    assert (shown["state"], shown["version"], shown["age_seconds"]) == ("current", 2, 7199)
    assert shown["updated_at"] == "2026-01-31T06:00:00.123456789Z"
