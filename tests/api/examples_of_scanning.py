"""Example calls of endpoints of scanning, by the endpoint's name."""

from __future__ import annotations

import json

from chalicelib.advisories.models import Finding
from chalicelib.kernel import media
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.names import RepositoryName
from chalicelib.packages.models import ImageInventory, Installed, LayerRef, OperatingSystem, Package
from chalicelib.registry.service import Registry
from chalicelib.scanning.models import Report, ReportedFinding
from chalicelib.scanning.results import Results
from tests.registry.images import descriptor, owner_of, push_blob, push_manifest

from .world import NAMESPACE, Ask, Place, example

_TAG = "stable-1"
_LAYER = LayerRef(digest="sha256:" + "1" * 64, diff_id="sha256:" + "2" * 64)


def _image(at: Place) -> dict[str, str]:
    """A repository with an image whose layer is an archive."""
    repository, layer, config = at.repository(), b"an archive", b"{}"
    registry, owner = Registry(at.stack), owner_of(at.instance)
    name = RepositoryName.parse(repository.name)
    for data in (config, layer):
        push_blob(registry, owner, data, name)
    document = {
        "schemaVersion": 2,
        "mediaType": media.OCI_MANIFEST,
        "config": descriptor(config, media.OCI_CONFIG),
        "layers": [descriptor(layer, "application/vnd.oci.image.layer.v1.tar")],
    }
    pushed = push_manifest(registry, owner, json.dumps(document).encode(), _TAG, name=name)
    return {"namespace": NAMESPACE, "repository": repository.id, "digest": pushed.digest}


def _tag(at: Place) -> dict[str, str]:
    parts = _image(at)
    return at.here(namespace=parts["namespace"], repository=parts["repository"], tag=_TAG)


def _scanned(at: Place) -> dict[str, str]:
    """One with a finding."""
    parts = _image(at)
    package = Package(type="debian", name="openssl", version="3.0.11-1")
    found = Finding(
        id="CVE-2024-0001",
        type="debian",
        package="openssl",
        purl="pkg:deb/debian/openssl@3.0.11-1",
        installed="3.0.11-1",
        fixed="3.0.13-1",
        status="fixed",
        severity="critical",
        severity_source="debian",
        source="debian",
        layer=_LAYER,
    )
    report = Report(
        digest=parts["digest"],
        platform="linux/amd64",
        engine="builtin 1",
        database="sha256:" + "3" * 64,
        database_updated_at=to_text(at.stack.clock.now()),
        scanned_at=to_text(at.stack.clock.now()),
        supported=True,
        examined=1,
        end_of_life=False,
        layers=(),
        inventory=ImageInventory(
            system=OperatingSystem(family="debian", name="12.5"),
            packages=(Installed(package=package, layer=_LAYER),),
        ),
        findings=(ReportedFinding(**dict(found)),),
    )
    Results(at.stack).store(at.instance, report, repository_id=parts["repository"])
    return at.here(**parts)


@example
def scan_tag(at: Place) -> Ask:
    return Ask(_tag(at))


@example
def show_scan(at: Place) -> Ask:
    return Ask(_tag(at))


@example
def show_manifest_scan(at: Place) -> Ask:
    return Ask(_scanned(at))


@example
def scan_namespace(at: Place) -> Ask:
    return Ask(at.here(namespace=at.namespace()))


@example
def list_vulnerabilities(at: Place) -> Ask:
    return Ask(_scanned(at), query={"severity": "critical", "sort": "package", "limit": 5})


@example
def list_vulnerable_images(at: Place) -> Ask:
    _scanned(at)
    return Ask(at.here(), query={"search": "CVE-2024-0001", "severity": "critical", "limit": 5})


@example
def show_vulnerability_database(_at: Place) -> Ask:
    return Ask()


@example
def download_sbom(at: Place) -> Ask:
    return Ask(_scanned(at), query={"format": "spdx"})
