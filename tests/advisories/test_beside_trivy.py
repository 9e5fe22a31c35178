"""The real Trivy and the built-in engine, same image and same database: nothing that only one of them finds."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from benchmarks.trivy_compare import differences, find_trivy, told_here
from tests.advisories import generated
from tests.advisories.layouts import write_layout
from tests.advisories.rows import packed, rows_of, write
from tests.lacking import lacking
from tests.packages.rebuild import SYSTEMS, rebuilt, tar
from tests.shared import trivy_fixtures

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def trivy() -> Path:
    return find_trivy() or lacking("trivy is not on this machine; .ci/install-clients brings it")


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_trivy_finds_the_same_in_a_real_system(name: str, trivy: Path, tmp_path: Path) -> None:
    """S3"""
    folder = trivy_fixtures()
    database = write(tmp_path / "db", rows_of(sorted((folder / "db").glob("*.yaml"))))
    layout = write_layout(tmp_path / "image", [rebuilt(folder / "packages" / f"{name}.json")])

    assert differences(layout, database, trivy) == []


@pytest.mark.parametrize(("family", "version", "platform"), generated.SYSTEMS)
@pytest.mark.parametrize("seed", [1, 2])
def test_trivy_finds_the_same_in_a_system_made_up_at_random(
    family: str, version: str, platform: str, seed: int, trivy: Path, tmp_path: Path
) -> None:
    """S3"""
    layout, database = _written(tmp_path, generated.world(family, platform, seed), (family, version))

    assert differences(layout, database, trivy) == []
    assert len(told_here(layout, database).findings) > 15


@pytest.mark.parametrize(("family", "version", "platform"), generated.REBUILT)
@pytest.mark.parametrize("by", ["rootio", "seal"])
def test_trivy_finds_the_same_in_a_system_that_somebody_rebuilt(
    family: str, version: str, platform: str, by: str, trivy: Path, tmp_path: Path
) -> None:
    """S3"""
    world = generated.rebuilt_world(family, platform, 1, by)
    layout, database = _written(tmp_path, world, (family, version))

    assert differences(layout, database, trivy) == []
    assert "seal" in str(told_here(layout, database)) or by == "rootio"


def _written(folder: Path, world: generated.World, system: tuple[str, str]) -> tuple[Path, Path]:
    """The image's layout, and the database's folder."""
    listed = folder / "packages.json"
    listed.write_text(json.dumps(world.packages))
    layout = write_layout(folder / "image", [rebuilt(listed, system)])
    return layout, write(folder / "db", packed(world.rows))


def _jar(files: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return buffer.getvalue()


def _libraries() -> dict[str, str | bytes]:
    maven = "META-INF/maven/{0}/{1}/pom.properties"
    spring: dict[str, str | bytes] = {
        maven.format("org.springframework", "spring-beans"): (
            "groupId=org.springframework\nartifactId=spring-beans\nversion=5.3.0\n"
        )
    }
    jackson = "groupId=com.fasterxml.jackson.core\nartifactId=jackson-databind\nversion=2.9.1\n"
    psr7 = {"name": "guzzlehttp/psr7", "version": "1.8.3", "version_normalized": "1.8.3.0", "license": ["MIT"]}
    target: dict[str, object] = {"Newtonsoft.Json/9.0.1": {"runtime": {"lib/netstandard1.0/Newtonsoft.Json.dll": {}}}}
    deps = {
        "runtimeTarget": {"name": ".NETCoreApp,Version=v3.1"},
        "targets": {".NETCoreApp,Version=v3.1": target},
        "libraries": {"Newtonsoft.Json/9.0.1": {"type": "package"}},
    }
    return {
        "usr/lib/python3/site-packages/Werkzeug-0.11.dist-info/METADATA": "Name: Werkzeug\nVersion: 0.11\n\n",
        "usr/lib/python3/site-packages/setuptools-0.9.8.egg-info/PKG-INFO": "Name: setuptools\nVersion: 0.9.8\n\n",
        "app/node_modules/jquery/package.json": json.dumps({"name": "jquery", "version": "2.1.0"}),
        "app/node_modules/lodash/package.json": json.dumps({"name": "lodash", "version": "4.17.4"}),
        "app/vendor/composer/installed.json": json.dumps({"packages": [psr7], "dev": False}),
        "gems/specifications/activesupport-6.0.0.gemspec": (
            'Gem::Specification.new do |s|\n  s.name = "activesupport".freeze\n  s.version = "6.0.0"\nend\n'
        ),
        "app/x.deps.json": json.dumps(deps),
        "app/app.jar": _jar(
            {
                maven.format("com.fasterxml.jackson.core", "jackson-databind"): jackson,
                "lib/spring-beans-5.3.0.jar": _jar(spring),
            }
        ),
    }


def test_trivy_finds_the_same_in_libraries_above_a_system(trivy: Path, tmp_path: Path) -> None:
    """S3"""
    folder = trivy_fixtures()
    database = write(tmp_path / "db", rows_of(sorted((folder / "db").glob("*.yaml"))))
    system = rebuilt(folder / "packages" / "debian-buster.json")
    layout = write_layout(tmp_path / "image", [system, tar(_libraries())])

    assert differences(layout, database, trivy) == []
    types = {key[0] for key in told_here(layout, database).findings}
    assert types == {"debian", "python-pkg", "node-pkg", "composer-vendor", "gemspec", "dotnet-core", "jar"}
