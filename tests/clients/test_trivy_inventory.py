"""S2, S3: what is installed, by our readers and by Trivy, on the same images: the same packages, field by field."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest

from chalicelib.packages.models import ImageInventory, Package
from chalicelib.packages.purls import purl
from tests.clients.conftest import program
from tests.lacking import lacking
from tests.packages import rpm_writing as rpm
from tests.packages.layers import image_of
from tests.packages.rebuild import SYSTEMS, rebuilt, tar
from tests.packages.test_apk import INSTALLED
from tests.packages.test_dpkg import STATUS
from tests.packages.test_rpm import BASH, FORMATS, KEY, LONG, NODE
from tests.shared import trivy_fixtures

pytestmark = pytest.mark.clients
Files: TypeAlias = dict[str, str | bytes]
Row: TypeAlias = tuple[object, ...]
# Inventories alone need no database of vulnerabilities; nothing is fetched.
ARGUMENTS: Final = (
    *("--offline-scan", "--skip-version-check", "--disable-telemetry", "--skip-db-update", "--quiet"),
    *("--scanners", "license", "--list-all-pkgs", "--format", "json", "--cache-backend", "memory"),
)
GO_TESTS: Final = Path("/usr/share/gocode/src/github.com/knqyf263/go-rpmdb/pkg")

LISTED: Final = (
    *("centos5-plain", "centos6-devtools", "centos6-many", "centos6-plain", "centos7-devtools", "centos7-httpd24"),
    *("centos7-many", "centos7-plain", "centos7-python35", "centos8-modularitylabel"),
)

METADATA = "usr/lib/python3/dist-packages/six-1.16.0.dist-info/METADATA"
SIX = "Metadata-Version: 2.1\nName: six\nVersion: {}\n"
RELEASE: Files = {"etc/redhat-release": "CentOS Linux release 8.1.1911 (Core)\n"}


def layout(folder: Path, layers: Sequence[bytes]) -> None:
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(content: bytes, kind: str) -> dict[str, object]:
        name = hashlib.sha256(content).hexdigest()
        (blobs / name).write_bytes(content)
        return {"digest": f"sha256:{name}", "size": len(content), "mediaType": f"application/vnd.oci.image.{kind}"}

    parts = [put(layer, "layer.v1.tar") for layer in layers]
    system = {"architecture": "amd64", "os": "linux", "config": {}}
    rootfs = {"type": "layers", "diff_ids": [part["digest"] for part in parts]}
    config = put(json.dumps({**system, "rootfs": rootfs}).encode(), "config.v1+json")
    manifest = put(json.dumps({"schemaVersion": 2, "config": config, "layers": parts}).encode(), "manifest.v1+json")
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))


def reported(folder: Path, layers: Sequence[bytes]) -> dict[str, Any]:
    layout(folder / "image", layers)
    command = [program("trivy"), "image", "--input", str(folder / "image"), "--cache-dir", str(folder), *ARGUMENTS]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def whole(epoch: int, version: str, release: str) -> str:
    return (f"{epoch}:" if epoch else "") + version + (f"-{release}" if release else "")


def theirs(report: Mapping[str, Any], digests: Sequence[str]) -> list[Row]:
    rows: list[Row] = []
    for result in report.get("Results", []):
        for each in result.get("Packages") or []:
            layer = digests.index(each["Layer"]["DiffID"])
            url = each["Identifier"].get("PURL", "")
            version = whole(each.get("Epoch", 0), each.get("Version", ""), each.get("Release", ""))
            if result["Class"] != "os-pkgs":
                path = each.get("FilePath") or result["Target"]
                rows.append((layer, result["Type"], each["Name"], version, path, url))
                continue
            source = whole(each.get("SrcEpoch", 0), each.get("SrcVersion", ""), each.get("SrcRelease", ""))
            other = each.get("Repository", {}).get("Class") == "third-party"
            named = (layer, result["Type"], each["Name"], version, each.get("Arch", ""), url)
            made = (each.get("SrcName", ""), source, each.get("Maintainer", ""), other)
            rows.append((*named, *made, each.get("Modularitylabel", ""), tuple(each.get("Licenses") or ())))
    return sorted(rows, key=str)


def row(inventory: ImageInventory, package: Package, layer: int) -> Row:
    version = whole(package.epoch, package.version, package.release)
    url = purl(package, inventory.system)
    if inventory.system is None or package.type != inventory.system.family:
        return (layer, package.type, package.name, version, package.path, url)
    source = whole(package.source_epoch, package.source_version, package.source_release)
    return (layer, package.type, package.name, version, package.arch, url, package.source_name, source,
            package.maintainer, package.third_party, package.modularity, package.licenses)  # fmt: skip


def ours(inventory: ImageInventory) -> list[Row]:
    rows = [row(inventory, each.package, int(each.layer.digest.rpartition(":")[2])) for each in inventory.packages]
    return sorted(rows, key=str)


def compare(folder: Path, *layers: Files | bytes) -> None:
    archives = [layer if isinstance(layer, bytes) else tar(layer) for layer in layers]
    report = reported(folder, archives)
    inventory = image_of(*archives)
    assert inventory.problems == {}
    system = report["Metadata"]["OS"]
    assert inventory.system is not None
    assert (inventory.system.family, inventory.system.name) == (system["Family"], system["Name"])
    found = ours(inventory)
    assert found
    assert found == theirs(report, [f"sha256:{hashlib.sha256(each).hexdigest()}" for each in archives])


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_rebuilt_systems(name: str, tmp_path: Path) -> None:
    """S3."""
    compare(tmp_path, rebuilt(trivy_fixtures() / "packages" / f"{name}.json"))


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_of_rpm(name: str, tmp_path: Path) -> None:
    """S3."""
    path = "usr/lib/sysimage/rpm/Packages.db" if name == "ndb" else "var/lib/rpm/Packages"
    headers = [rpm.header(each) for each in (BASH, NODE, KEY, LONG)]
    compare(tmp_path, {**RELEASE, path: FORMATS[name](headers)})


def test_debian_with_packages_of_others_and_licences(tmp_path: Path) -> None:
    """S3, S4: whose library is whose."""
    other = "\nPackage: nodejs\nVersion: 20-1\nArchitecture: amd64\nMaintainer: N <x@nodesource.com>\n"
    mine = "\nPackage: python3-six\nVersion: 1:1.16-4\nArchitecture: all\nSource: six (1.16-3)\n"
    compare(
        tmp_path,
        {
            "etc/debian_version": "12.1\n",
            "var/lib/dpkg/status": STATUS + other + mine,
            "var/lib/dpkg/info/nodejs.md5sums": "0  usr/lib/node_modules/npm/package.json\n",
            "var/lib/dpkg/info/python3-six.md5sums": f"0  {METADATA}\n",
            "usr/lib/node_modules/npm/package.json": '{"name": "npm", "version": "10.0.0"}',
            "usr/share/doc/bash/copyright": "License: GPL-2+ or Artistic\nLicense: BSD-3-clause\n",
            METADATA: SIX.format("1.16.0"),
        },
    )


def test_distroless_over_two_layers(tmp_path: Path) -> None:
    """S3."""
    base = {"etc/debian_version": "12.5\n", "var/lib/dpkg/status.d/base": "Package: base-files\nVersion: 12.4\n"}
    libc = "Package: libc6\nSource: glibc\nVersion: 2.36-9\nArchitecture: amd64\n"
    compare(
        tmp_path, {**base}, {"var/lib/dpkg/status.d/libc6": libc, "var/lib/dpkg/status.d/libc6.md5sums": "0  lib/x\n"}
    )


def test_layers_over_each_other(tmp_path: Path) -> None:
    """S1, S3: since when a package stands; whiteouts and emptied folders."""
    node = '{{"name": "{0}", "version": "1.0.0"}}'
    old = "opt/six-1.dist-info"
    compare(
        tmp_path,
        {"etc/alpine-release": "3.19.0\n", "lib/apk/db/installed": INSTALLED.replace("P:no-origin\nV:2_rc1-r0\n", "")},
        {f"{old}/METADATA": SIX.format("1"), "opt/a/b/node_modules/x/package.json": node.format("x")},
        {"lib/apk/db/installed": "P:musl\nV:1.2.5-r0\no:musl\n\nP:libcrypto3\nV:3.1.4-r1\no:openssl\n"},
        {
            "opt/.wh.six-1.dist-info": "",
            "opt/six-2.dist-info/METADATA": SIX.format("2"),
            "opt/a/.wh..wh..opq": "",
            "opt/a/c/node_modules/y/package.json": node.format("y"),
        },
    )


@pytest.mark.parametrize("name", ["centos5-plain", "centos6-many", "centos7-httpd24", "centos8-modularitylabel"])
def test_published_databases_of_rpm(name: str, tmp_path: Path) -> None:
    """S3: of real systems."""
    path = GO_TESTS / "testdata" / name / "Packages"
    if not path.is_file():
        lacking("rpm's test databases are missing: install golang-github-knqyf263-go-rpmdb-dev")
    compare(tmp_path, {**RELEASE, "var/lib/rpm/Packages": path.read_bytes()})


@pytest.mark.parametrize("name", LISTED)
def test_published_databases_hold_what_rpm_itself_lists(name: str) -> None:
    """S3: the lists beside them were made by `rpm -qa`."""
    if not GO_TESTS.is_dir():
        lacking("rpm's test databases are missing: install golang-github-knqyf263-go-rpmdb-dev")
    source = (GO_TESTS / "rpmdb_testcase.go").read_text()
    blocks = {
        found[1].lower(): found[2] for found in re.finditer(r"(\w+) = \[\]\*PackageInfo\{\n(.*?)\n\t\}", source, re.S)
    }
    fields = re.findall(
        r'\{(\d+), "(.*?)", "(.*?)", "(.*?)", "(.*?)", ".*?", \d+, "(.*?)", "(.*?)", "(.*?)"',
        blocks[name.replace("-", "")],
    )
    image = image_of({"var/lib/rpm/Packages": (GO_TESTS / "testdata" / name / "Packages").read_bytes()})
    found = [each.package for each in image.packages]
    assert len(found) > 100
    assert sorted(fields) == sorted(
        (str(each.epoch), each.name, each.version, each.release, each.arch.replace("None", ""), "".join(each.licenses),
         each.maintainer, each.modularity)
        for each in found
    )  # fmt: skip
