"""image-syncer: from a registry of other people's into the service and back, with the files of its guide."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.conftest import Shell, Target
from tests.clients.elsewhere import Family, assert_all_there, digests, docker_registry, family, give
from tests.e2e.image import SmallImage, small_image

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with docker_registry(tmp_path_factory.mktemp("elsewhere") / "registry") as found:
        yield found


@pytest.fixture
def plain(tmp_path: Path) -> SmallImage:
    return small_image(tmp_path / "plain")


@pytest.fixture
def both(tmp_path: Path) -> Family:
    return family(tmp_path / "both")


def sync(shell: Shell, ends: tuple[Target, Target], rules: object, *more: str, fails: bool = False) -> str:
    """What it said. `rules`: of images.json, or the text of images.yaml."""
    accounts = {one.host: {"username": one.username, "password": one.password, "insecure": True} for one in ends}
    (shell.home / "auth.json").write_text(json.dumps(accounts))
    images = shell.home / ("images.yaml" if isinstance(rules, str) else "images.json")
    images.write_text(rules if isinstance(rules, str) else json.dumps(rules))
    log = shell.home / "log"
    log.unlink(missing_ok=True)
    files = (f"--auth={shell.home}/auth.json", f"--images={images}", f"--log={log}")
    shell.run("image-syncer", *files, "--retries=1", *more, fails=fails)
    return log.read_text()


def test_image_syncer_brings_a_whole_repository_in(
    shell: Shell, target: Target, elsewhere: Target, plain: SmallImage, both: Family
) -> None:
    """Y5: every tag, an index with its platforms; a second run finds everything there."""
    name, there = f"myns/nginx-{secrets.token_hex(4)}", f"library/nginx-{secrets.token_hex(4)}"
    give(shell, elsewhere, plain.layout, name, "1.0", "stable")
    give(shell, elsewhere, both.layout, name, "1.1")
    rule = {f"{elsewhere.host}/{name}": f"{target.host}/{there}"}

    sync(shell, (elsewhere, target), rule)
    assert digests(target, there) == {"1.0": plain.digest, "stable": plain.digest, "1.1": both.digest}
    assert_all_there(target, there, plain, *both.images)
    again = sync(shell, (elsewhere, target), rule)
    assert again.count("skip synchronization because destination image exists") == 3, again


def test_image_syncer_brings_lists_patterns_digests_and_one_to_many(
    shell: Shell, target: Target, elsewhere: Target, plain: SmallImage, both: Family
) -> None:
    """Y5: as in the sample of its own documentation, in YAML."""
    name, part = f"myns/app-{secrets.token_hex(4)}", f"library/part-{secrets.token_hex(4)}"
    give(shell, elsewhere, plain.layout, name, "v1", "v2", "aaa", "aab")
    give(shell, elsewhere, both.layout, name, "multi")
    source, place = f"{elsewhere.host}/{name}", f"{target.host}/{part}"
    rules = f"""
{source}:v1,v2: {place}-list
{source}:v1,multi: {place}-renamed:one,other
{source}@{plain.digest}: {place}-digest
{source}:multi:
  - {place}-first
  - {place}-second:found
{source}:/^a+$/: {place}-pattern
"""
    sync(shell, (elsewhere, target), rules)
    assert digests(target, f"{part}-list") == {"v1": plain.digest, "v2": plain.digest}
    assert digests(target, f"{part}-renamed") == {"one": plain.digest, "other": both.digest}
    assert_all_there(target, f"{part}-digest", plain)
    assert digests(target, f"{part}-first") == {"multi": both.digest}
    assert digests(target, f"{part}-second") == {"found": both.digest}
    assert digests(target, f"{part}-pattern") == {"aaa": plain.digest}


def test_image_syncer_takes_images_out_to_another_registry(
    shell: Shell, target: Target, elsewhere: Target, plain: SmallImage, both: Family
) -> None:
    """Y5"""
    name, there = f"library/out-{secrets.token_hex(4)}", f"myns/in-{secrets.token_hex(4)}"
    give(shell, target, plain.layout, name, "v1")
    give(shell, target, both.layout, name, "multi")
    sync(shell, (target, elsewhere), {f"{target.host}/{name}": f"{elsewhere.host}/{there}"})
    assert digests(elsewhere, there) == {"v1": plain.digest, "multi": both.digest}
    assert_all_there(elsewhere, there, plain, *both.images)


def test_image_syncer_prints_which_namespace_is_missing_and_brings_the_rest(
    shell: Shell, target: Target, elsewhere: Target, plain: SmallImage
) -> None:
    """Y5: namespaces are made before, says the guide."""
    name, there = f"myns/some-{secrets.token_hex(4)}", f"library/some-{secrets.token_hex(4)}"
    give(shell, elsewhere, plain.layout, name, "v1")
    rules = {f"{elsewhere.host}/{name}": [f"{target.host}/nowhere/some", f"{target.host}/{there}"]}
    said = sync(shell, (elsewhere, target), rules, fails=True)
    assert "there is no namespace nowhere; create it first" in said, said
    assert digests(target, there) == {"v1": plain.digest}
