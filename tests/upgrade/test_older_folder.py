"""R8: a data folder, and a backup, that the last release wrote are opened by this code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conformance.client import Registry, Repository, TokenLogin
from tests.conformance.content import Content
from tests.serving import Service, free_port

from .sides import earlier_tree

pytestmark = pytest.mark.campaign


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return earlier_tree(tmp_path_factory.mktemp("earlier"))


@pytest.fixture
def older(tmp_path: Path, tree: Path) -> Iterator[Service]:
    """The last release, serving a folder of its own."""
    service = Service(tmp_path / "data", free_port(), project=tree)
    service.start()
    yield service
    service.stop()


def present(older: Service, data: Path | None = None) -> Service:
    """This code on the folder that the other one left, or on another."""
    return Service(data or older.data, older.port)


def repository(service: Service) -> Repository:
    http = httpx.Client(base_url=service.url, auth=TokenLogin(*service.login), timeout=60, trust_env=False)
    return Repository(Registry(service.url, *service.login, "library", None, http), "library/kept")


def filled(service: Service) -> Content:
    """Two images and an index, and one whose tag was deleted."""
    content = Content()
    content.image("one")
    content.platforms("many")
    content.image("deleted")
    pushed = repository(service)
    pushed.push(content)
    assert pushed.manifest("DELETE", "deleted").status_code == 202
    return content


def pulled_whole(service: Service, content: Content) -> None:
    there = repository(service)
    assert sorted(there.tags().json()["tags"]) == ["many", "one"]
    for tag in ("one", "many"):
        assert there.manifest("GET", tag).headers["Docker-Content-Digest"] == content.tags[tag]
    for digest, body in content.blobs.items():
        assert there.blob("GET", digest).content == body


def test_a_folder_of_the_last_release_is_served(older: Service) -> None:
    """R8. And by the last release again, as long as nothing newer was written that it may not read."""
    content = filled(older)
    older.stop()
    newer = present(older)
    newer.start()
    try:
        pulled_whole(newer, content)
        again = Content()
        again.image("one")
        repository(newer).push(again)
        assert newer.run_cli("fsck", "--deep") == "clean\n"
    finally:
        newer.stop()
    older.start()
    assert repository(older).manifest("GET", "one").headers["Docker-Content-Digest"] == again.tags["one"]
    older.stop()
    assert older.run_cli("fsck", "--deep") == "clean\n"


def test_a_backup_by_the_last_release_is_restored(older: Service, tmp_path: Path) -> None:
    """R8"""
    content = filled(older)
    older.run_cli("backup", str(tmp_path / "backup"))
    older.stop()
    restored = present(older, tmp_path / "restored")
    restored.run_cli("restore", str(tmp_path / "backup"))
    assert restored.run_cli("fsck", "--deep") == "clean\n"
    restored.start()
    try:
        pulled_whole(restored, content)
        assert "library/kept" in restored.run_cli("audit", "export", "--instance", "default")
    finally:
        restored.stop()
