"""S4: package URLs, as Trivy writes them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.packages.models import OperatingSystem, Package
from chalicelib.packages.purls import purl
from tests.packages.rebuild import SYSTEMS, listed, system_of
from tests.shared import trivy_fixtures

REPORTS = {"oraclelinux-8-slim": "oraclelinux-8", "ubuntu-18.04": "ubuntu-1804"}


@pytest.mark.parametrize(
    ("family", "name", "package", "url"),
    [
        (
            "debian",
            "10.1",
            Package(type="debian", name="libstdc++6", version="1:8.3.0-6", arch="amd64"),
            "pkg:deb/debian/libstdc%2B%2B6@8.3.0-6?arch=amd64&distro=debian-10.1&epoch=1",
        ),
        (
            "amazon",
            "2 (Karoo)",
            Package(type="amazon", name="curl", version="7.61.1", release="9.amzn2.0.1", arch="x86_64"),
            "pkg:rpm/amazon/curl@7.61.1-9.amzn2.0.1?arch=x86_64&distro=amazon-2%20%28Karoo%29",
        ),
        (
            "redhat",
            "8.4",
            Package(type="redhat", name="nodejs", version="12", release="1", epoch=1, modularity="nodejs:12"),
            "pkg:rpm/redhat/nodejs@12-1?distro=redhat-8.4&epoch=1&modularitylabel=nodejs:12",
        ),
        (
            "sles",
            "15.3",
            Package(type="sles", name="bash", version="4.4", release="1"),
            "pkg:rpm/suse/bash@4.4-1?distro=sles-15.3",
        ),
        (
            "opensuse-leap",
            "15.1",
            Package(type="opensuse-leap", name="bash", version="4.4", release="1"),
            "pkg:rpm/opensuse/bash@4.4-1?distro=opensuse-leap-15.1",
        ),
        (
            "alpine",
            "3.19.0",
            Package(type="alpine", name="Zlib", version="1.3-r2", arch="x86_64"),
            "pkg:apk/alpine/zlib@1.3-r2?arch=x86_64&distro=3.19.0",
        ),
        ("centos-stream", "8", Package(type="centos-stream", name="a", version="1"), "pkg:centos-stream/a@1"),
    ],
)
def test_packages_of_systems_say_where_they_belong(family: str, name: str, package: Package, url: str) -> None:
    """S4."""
    assert purl(package, OperatingSystem(family=family, name=name)) == url


def test_without_a_system_nothing_is_said_about_one() -> None:
    assert purl(Package(type="dpkg", name="a", version="1:2-3"), None) == "pkg:deb/a@2-3?epoch=1"
    assert purl(Package(type="rpm", name="a", version="2", release="3"), None) == "pkg:rpm/a@2-3"
    assert purl(Package(type="apk", name="a", version="2-r3"), None) == "pkg:apk/a@2-r3"


@pytest.mark.parametrize(
    ("kind", "name", "version", "url"),
    [
        ("python-pkg", "Foo_Bar", "1.0", "pkg:pypi/foo-bar@1.0"),
        ("node-pkg", "@babel/Core", "7.0.0", "pkg:npm/%40babel/core@7.0.0"),
        ("jar", "org.example:spring-core", "5.3", "pkg:maven/org.example/spring-core@5.3"),
        ("gobinary", "github.com/A/b", "v1.0+incompatible", "pkg:golang/github.com/a/b@v1.0%2Bincompatible"),
        ("gobinary", "./local", "v1", ""),
        ("composer-vendor", "guzzle/psr7", "1.8.3", "pkg:composer/guzzle/psr7@1.8.3"),
        ("dotnet-core", "Newtonsoft.Json", "9.0.1", "pkg:nuget/Newtonsoft.Json@9.0.1"),
        ("gemspec", "rake", "13.0", "pkg:gem/rake@13.0"),
        ("rustbinary", "serde", "1.0.1", "pkg:cargo/serde@1.0.1"),
        ("conda-pkg", "openssl", "1.1", "pkg:conda/openssl@1.1"),
        ("node-pkg", "", "1", ""),
    ],
)
def test_libraries_are_named_as_their_registries_name_them(kind: str, name: str, version: str, url: str) -> None:
    """S4: whichever system the image has."""
    package = Package(type=kind, name=name, version=version)
    assert purl(package, OperatingSystem(family="debian", name="12")) == purl(package, None) == url


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_reports_of_real_images_have_the_same_urls(name: str) -> None:
    """S4."""
    fixtures = trivy_fixtures()
    path = fixtures / "packages" / f"{name}.json"
    family, version = system_of(path)
    system = OperatingSystem(family=family, name=version)
    urls = {purl(package, system).replace("arch=&", "") for package in listed(path)}
    report: dict[str, Any] = json.loads((fixtures / "reports" / f"{REPORTS.get(name, name)}.json").read_text())
    (result, *_) = report["Results"]
    wanted = {each["PkgIdentifier"]["PURL"] for each in result["Vulnerabilities"]}
    if name == "ubuntu-18.04":  # its list says no architectures
        wanted = {url.replace("arch=amd64&", "") for url in wanted}
    assert wanted
    assert wanted <= urls
