"""`crs migrate` and `crs adopt`, with Debian's docker-registry on the other side."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from chalicelib.collection.fsck import Fsck
from chalicelib.migration.adoption import Adoption, Manner
from chalicelib.migration.storage import FolderStorage
from chalicelib.ports.embedded.stack import visited
from tests.clients.conftest import Shell, Target
from tests.clients.elsewhere import Family, assert_all_there, digests, docker_registry, family, give
from tests.e2e.image import SmallImage, small_image
from tests.serving import PROJECT
from tests.stacks import embedded_stack, make_instance, make_namespace

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("elsewhere") / "registry"


@pytest.fixture(scope="module")
def elsewhere(folder: Path) -> Iterator[Target]:
    with docker_registry(folder) as found:
        yield found


@pytest.fixture
def plain(tmp_path: Path) -> SmallImage:
    return small_image(tmp_path / "plain")


@pytest.fixture
def both(tmp_path: Path) -> Family:
    return family(tmp_path / "both")


def migrate(shell: Shell, ends: tuple[Target, Target], rules: Mapping[str, object]) -> str:
    accounts = {one.host: {"username": one.username, "password": one.password, "insecure": True} for one in ends}
    auth, images = shell.home / "auth.json", shell.home / "images.json"
    auth.write_text(json.dumps(accounts))
    images.write_text(f"// as the guide has it\n{json.dumps(rules)}")
    command = [sys.executable, "-m", "chalicelib.cli", "migrate", "--auth", str(auth), "--images", str(images)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    last: str = done.stdout.splitlines()[-1]
    return last


def test_images_go_in_and_out_and_a_second_run_moves_nothing(
    shell: Shell, target: Target, elsewhere: Target, plain: SmallImage, both: Family
) -> None:
    """K2: with a password on both sides, an index with its platforms."""
    name, there = f"myns/nginx-{secrets.token_hex(4)}", f"library/nginx-{secrets.token_hex(4)}"
    give(shell, elsewhere, plain.layout, name, "1.0", "stable")
    give(shell, elsewhere, both.layout, name, "1.1")
    inwards = {f"{elsewhere.host}/{name}": f"{target.host}/{there}"}
    assert migrate(shell, (elsewhere, target), inwards).startswith("3 copied")
    assert digests(target, there) == {"1.0": plain.digest, "stable": plain.digest, "1.1": both.digest}
    assert_all_there(target, there, plain, *both.images)
    assert migrate(shell, (elsewhere, target), inwards).startswith("3 unchanged; 0 B moved")
    outwards = {f"{target.host}/{there}:/^1/": [f"{elsewhere.host}/{name}-back"]}
    assert migrate(shell, (elsewhere, target), outwards).startswith("2 copied")
    assert digests(elsewhere, f"{name}-back") == {"1.0": plain.digest, "1.1": both.digest}
    assert_all_there(elsewhere, f"{name}-back", plain, *both.images)


def test_what_the_registry_has_stored_is_taken_over(
    shell: Shell, elsewhere: Target, folder: Path, tmp_path: Path, plain: SmallImage, both: Family
) -> None:
    """K2: from its folder, without it."""
    give(shell, elsewhere, plain.layout, "taken/app", "v1")
    give(shell, elsewhere, both.layout, "taken/app", "multi")
    with embedded_stack(tmp_path / "mine") as stack, visited(stack.settings, folder / "data") as bucket:
        instance = make_instance(stack, "default")
        make_namespace(stack, instance, "taken")
        storage = FolderStorage(folder / "data", bucket)
        adopted = {one.target: one.outcome for one in Adoption(stack, instance, storage, Manner()).run()}
        ours = {name: outcome for name, outcome in adopted.items() if name.startswith("taken/")}
        assert {name: (outcome.verdict, outcome.digest) for name, outcome in ours.items()} == {
            "taken/app:v1": ("copied", plain.digest),
            "taken/app:multi": ("copied", both.digest),
        }
        assert not list(Fsck(stack, deep=True).run())
