"""Each family's rules: under which platform its advisories lie, by which name, and in which order."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from chalicelib.packages.models import ImageInventory, Package
from tests.advisories.images import examined, fixes, found, inventory, package, whole
from tests.advisories.rows import Rows

OLD = {"CVE-1": {"FixedVersion": "2.0-1"}}


def apk(name: str, version: str, **fields: Any) -> Package:
    return whole(name, version, type="apk", **fields)


@pytest.mark.parametrize(
    ("family", "name", "platform"),
    [
        ("debian", "12.5", "debian 12"),
        ("debian", "13", "debian 13"),
        ("ubuntu", "24.04", "ubuntu 24.04"),
        ("amazon", "2018.03", "amazon linux 1"),
        ("amazon", "AMI 2018.03", "amazon linux 1"),
        ("amazon", "2 (Karoo)", "amazon linux 2"),
        ("amazon", "2022", "amazon linux 2022"),
        ("amazon", "2023.6.20241010 (Amazon Linux)", "amazon linux 2023"),
        ("alma", "9.4", "alma 9"),
        ("rocky", "8.9", "rocky 8"),
        ("oracle", "9.3", "Oracle Linux 9"),
        ("photon", "5.0", "Photon OS 5.0"),
        ("cbl-mariner", "2.0.20240101", "CBL-Mariner 2.0"),
        ("azurelinux", "3.0.20250101", "Azure Linux 3.0"),
        ("sles", "15.6", "SUSE Linux Enterprise 15.6"),
        ("slem", "5.5", "SUSE Linux Enterprise Micro 5.5"),
        ("opensuse-leap", "15.6", "openSUSE Leap 15.6"),
        ("opensuse-tumbleweed", "20260101", "openSUSE Tumbleweed"),
        ("bottlerocket", "1.20.0", "bottlerocket"),
        ("echo", "1", "echo"),
    ],
)
def test_advisories_of_a_release_lie_under_its_platform(family: str, name: str, platform: str, tmp_path: Path) -> None:
    """S3"""
    old = whole("curl", "1.0-1") if family in ("debian", "ubuntu", "echo") else package("curl", "1.0-1")

    examination = examined(tmp_path, inventory(family, name, old), {platform: {"curl": OLD}})

    assert [(one.id, one.installed, one.fixed) for one in examination.findings] == [("CVE-1", "1.0-1", "2.0-1")]
    assert examination.supported


@pytest.mark.parametrize("family", ["fedora", "centos-stream", "coreos", "activestate", "opensuse", "arch"])
def test_a_system_without_advisories_is_not_supported_and_nothing_of_it_was_examined(
    family: str, tmp_path: Path
) -> None:
    """S3"""
    image = inventory(family, "40", package("curl", "1.0-1"))

    examination = examined(tmp_path, image, {"debian 12": {"curl": OLD}, "fedora 40": {"curl": OLD}})

    assert (examination.supported, examination.examined, examination.findings) == (False, 0, ())


def test_a_release_that_the_database_does_not_know_is_not_supported(tmp_path: Path) -> None:
    """S3: it would read as an image without vulnerabilities."""
    examination = examined(tmp_path, inventory("debian", "99", whole("curl", "1.0-1")), {"debian 12": {"curl": OLD}})

    assert (examination.supported, examination.examined) == (False, 0)


def test_an_image_without_a_system_is_examined_by_its_libraries(tmp_path: Path) -> None:
    """S3"""
    library = Package(type="python-pkg", name="Jinja2", version="3.0", path="usr/lib/jinja2-3.0.dist-info/METADATA")
    image = inventory("x", "1", library).model_copy(update={"system": None})
    rows = {"pip::GitHub": {"jinja2": {"CVE-2": {"VulnerableVersions": ["<3.1.3"]}}}}

    examination = examined(tmp_path, image, rows)

    assert [one.id for one in examination.findings] == ["CVE-2"]
    assert (examination.supported, examination.examined) == (False, 1)
    assert examined(tmp_path, image, {"npm::GitHub": {}}).examined == 0


@pytest.mark.parametrize(
    ("stream", "platform"),
    [("", "alpine 3.19"), ("3.20", "alpine 3.20"), ("3.20.1", "alpine 3.20"), ("edge", "alpine edge")],
)
def test_alpine_goes_by_where_its_packages_come_from(stream: str, platform: str, tmp_path: Path) -> None:
    """S3"""
    image = inventory("alpine", "3.19.1", apk("zlib", "1.2.11-r0"), stream=stream)
    rows: Rows = {name: {} for name in ("alpine 3.19", "alpine 3.20", "alpine edge")}

    assert set(fixes(tmp_path, image, {**rows, platform: {"zlib": {"CVE-1": {"FixedVersion": "1.2.12-r2"}}}})) == {
        "CVE-1"
    }


def test_alpine_s_advisories_may_say_since_which_version(tmp_path: Path) -> None:
    """S3"""
    rows = {
        "alpine 3.19": {
            "xz": {
                "CVE-1": {"AffectedVersion": "5.6.0-r0", "FixedVersion": "5.6.1-r2"},
                "CVE-2": {"AffectedVersion": "5.4.0-r0", "FixedVersion": "5.6.1-r2"},
                "CVE-3": {"AffectedVersion": "not one", "FixedVersion": "5.6.1-r2"},
                "CVE-4": None,
            }
        }
    }

    assert fixes(tmp_path, inventory("alpine", "3.19.0", apk("xz", "5.4.5-r0")), rows) == {
        "CVE-2": "5.6.1-r2",
        "CVE-4": "",
    }


@pytest.mark.parametrize("family", ["wolfi", "chainguard", "minimos"])
def test_rolling_systems_know_no_releases_and_an_advisory_without_a_fix_says_nothing(
    family: str, tmp_path: Path
) -> None:
    """S3"""
    rows = {family: {"openssl": {"CVE-1": {"FixedVersion": "3.1.4-r1"}, "CVE-2": {}, "CVE-3": {"FixedVersion": "0"}}}}
    image = inventory(family, "20230201", apk("libssl3", "3.1.4-r0", source_name="openssl"))

    assert fixes(tmp_path, image, rows) == {"CVE-1": "3.1.4-r1"}


def test_debian_tells_severity_status_and_its_own_ids_of_source_packages(tmp_path: Path) -> None:
    """S3"""
    rows = {
        "data-source": {"debian 12": {"ID": "debian", "Name": "Debian"}},
        "vulnerability": {
            "CVE-1": {"VendorSeverity": {"debian": 4, "nvd": 3}},
            "CVE-2": {"VendorSeverity": {"nvd": 3}},
        },
        "debian 12": {
            "openssl": {
                "CVE-1": {"Severity": 1, "FixedVersion": "3.0.11-1~deb12u2", "VendorIDs": ["DSA-5532-1"]},
                "CVE-2": {"Status": 5},
                "CVE-3": {"FixedVersion": "3.0.8-1"},
                "CVE-4": {"FixedVersion": "no version"},
            }
        },
    }
    image = inventory("debian", "12", whole("libssl3", "3.0.9-1", source_name="openssl"))

    findings = found(tmp_path, image, rows)

    assert set(findings) == {"CVE-1", "CVE-2"}
    one, other = findings["CVE-1"], findings["CVE-2"]
    assert (one.severity, one.severity_source, one.status, one.vendor_ids) == (
        "low",
        "debian",
        "fixed",
        ("DSA-5532-1",),
    )
    assert (other.severity, other.severity_source, other.status) == ("high", "nvd", "will_not_fix")
    assert (one.package, one.source) == ("libssl3", "debian")


def test_a_package_of_others_is_not_what_the_makers_advisories_are_about(tmp_path: Path) -> None:
    """S3"""
    image = inventory(
        "debian", "12", whole("curl", "1.0-1", third_party=True), whole("wget", "1.0-1"), whole("gpg-pubkey", "1.0-1")
    )

    examination = examined(tmp_path, image, {"debian 12": dict.fromkeys(("curl", "wget", "gpg-pubkey"), OLD)})

    assert [one.package for one in examination.findings] == ["wget"]
    assert examination.examined == 1
    assert (
        len(found(tmp_path, inventory("echo", "1", whole("curl", "1.0-1", third_party=True)), {"echo": {"curl": OLD}}))
        == 1
    )


@pytest.mark.parametrize(
    ("name", "now", "platform"),
    [
        ("18.04-ESM", datetime(2026, 1, 1, tzinfo=UTC), "ubuntu 18.04-ESM"),
        ("22.04-ESM", datetime(2026, 1, 1, tzinfo=UTC), "ubuntu 22.04"),
        ("22.04-ESM", datetime(2028, 1, 1, tzinfo=UTC), "ubuntu 22.04-ESM"),
        ("22.04", datetime(2028, 1, 1, tzinfo=UTC), "ubuntu 22.04"),
    ],
)
def test_ubuntu_s_extended_support_counts_once_the_regular_one_has_ended(
    name: str, now: datetime, platform: str, tmp_path: Path
) -> None:
    """S3"""
    rows: Rows = {one: {} for one in ("ubuntu 18.04", "ubuntu 18.04-ESM", "ubuntu 22.04", "ubuntu 22.04-ESM")}

    assert fixes(
        tmp_path, inventory("ubuntu", name, whole("curl", "1.0-1")), {**rows, platform: {"curl": OLD}}, now
    ) == {"CVE-1": "2.0-1"}


def test_amazon_s_versions_sort_as_debian_s_do(tmp_path: Path) -> None:
    """S3: for rpm the first two are the same version."""
    fixed = {"CVE-1": {"FixedVersion": "1.0.1-2"}, "CVE-2": {}, "CVE-3": {"FixedVersion": "no version"}}
    rows = {"amazon linux 2": {"curl": fixed}}

    assert fixes(tmp_path, inventory("amazon", "2", package("curl", "1.0+1-2")), rows) == {"CVE-1": "1.0.1-2"}
    assert fixes(tmp_path, inventory("amazon", "2", package("curl", "v1.0-1")), rows) == {}


@pytest.mark.parametrize(("family", "name", "platform"), [("alma", "8.9", "alma 8"), ("rocky", "8.9", "rocky 8")])
def test_packages_of_a_module_have_advisories_of_that_module(
    family: str, name: str, platform: str, tmp_path: Path
) -> None:
    """S3"""
    label = "nodejs:12:8030020201124152102:229f0a1c"
    rows = {
        platform: {"nodejs:12::npm": {"CVE-1": {"FixedVersion": "0:7.0-1.module_el8"}}, "npm": {"CVE-2": OLD["CVE-1"]}}
    }
    of_module = package("npm", "6.14-1.module_el8.3.0", modularity=label)

    assert fixes(tmp_path, inventory(family, name, of_module), rows) == {"CVE-1": "7.0-1.module_el8"}


def test_of_alma_s_modules_without_a_label_nothing_can_be_said(tmp_path: Path) -> None:
    """S3"""
    image = inventory("alma", "8.9", package("npm", "6.14-1.module_el8.3.0+1"), package("bash", "5.0-1"))

    assert examined(tmp_path, image, {"alma 8": {"npm": {"CVE-1": {"FixedVersion": "7.0-1"}}}}).examined == 1


@pytest.mark.parametrize(
    ("family", "name", "platform"), [("rocky", "9.3", "rocky 9"), ("oracle", "9.3", "Oracle Linux 9")]
)
def test_where_a_fix_differs_by_architecture_the_package_s_own_counts(
    family: str, name: str, platform: str, tmp_path: Path
) -> None:
    """S3"""
    entries = [
        {"FixedVersion": "2.0-1", "Arches": ["aarch64"]},
        {"FixedVersion": "3.0-1", "Arches": ["x86_64", "s390x"]},
    ]
    rows = {
        platform: {"curl": {"CVE-1": {"FixedVersion": "2.0-1", "Entries": entries}, "CVE-2": {"FixedVersion": "2.0-1"}}}
    }

    assert fixes(tmp_path, inventory(family, name, package("curl", "2.5-1")), rows) == {"CVE-1": "3.0-1"}
    arm = package("curl", "1.0-1", arch="aarch64")
    assert fixes(tmp_path, inventory(family, name, arm), rows) == {"CVE-1": "2.0-1", "CVE-2": "2.0-1"}
    assert fixes(tmp_path, inventory(family, name, package("curl", "1.0-1", arch="i686")), rows) == {"CVE-2": "2.0-1"}


@pytest.mark.parametrize(
    ("installed", "expected"),
    [("2.17-1.el7", {"CVE-1"}), ("2:2.17-1.ksplice1.el7", {"CVE-2"}), ("2.17-1.el7_fips", {"CVE-3"})],
)
def test_oracle_s_flavours_have_fixes_of_their_own(installed: str, expected: set[str], tmp_path: Path) -> None:
    """S3"""
    fixed = {"CVE-1": "3:2.17-2.el7", "CVE-2": "3:2.17-2.ksplice1.el7", "CVE-3": "10:2.17-2.el7_FIPS"}
    rows = {"Oracle Linux 7": {"glibc": {key: {"FixedVersion": value} for key, value in fixed.items()}}}

    assert set(fixes(tmp_path, inventory("oracle", "7.9", package("glibc", installed)), rows)) == expected


@pytest.mark.parametrize(
    ("family", "name", "platform"),
    [("cbl-mariner", "1.0.20210127", "CBL-Mariner 1.0"), ("azurelinux", "3.0", "Azure Linux 3.0")],
)
def test_microsoft_s_are_about_sources_and_tell_what_has_no_fix(
    family: str, name: str, platform: str, tmp_path: Path
) -> None:
    """S3"""
    rows = {platform: {"vim": {"CVE-1": {"FixedVersion": "0:8.2.4082-1.cm1"}, "CVE-2": None}}}
    image = inventory(
        family, name, package("vim-extra", "9-1", source_name="vim", source_version="8.2.4081", source_release="1.cm1")
    )

    findings = found(tmp_path, image, rows)

    assert {key: (one.fixed, one.status, one.installed) for key, one in findings.items()} == {
        "CVE-1": ("8.2.4082-1.cm1", "fixed", "9-1"),
        "CVE-2": ("", "affected", "9-1"),
    }


def test_photon_asks_by_the_source_and_compares_the_package(tmp_path: Path) -> None:
    """S3"""
    rows = {"Photon OS 4.0": {"curl": {"CVE-1": {"FixedVersion": "7.0-2.ph4"}, "CVE-2": {}}}}
    image = inventory("photon", "4.0", package("curl-libs", "7.0-1.ph4", source_name="curl", source_version="9.0"))

    assert fixes(tmp_path, image, rows) == {"CVE-1": "7.0-2.ph4"}


@pytest.mark.parametrize(
    ("family", "name", "now", "ended"),
    [
        ("debian", "12.5", datetime(2028, 6, 10, 23, 59, 58, tzinfo=UTC), False),
        ("debian", "12.5", datetime(2028, 6, 10, 23, 59, 59, tzinfo=UTC), True),
        ("debian", "13", datetime(2031, 1, 1, tzinfo=UTC), False),
        ("alpine", "3.19.1", datetime(2026, 1, 1, tzinfo=UTC), True),
        ("alpine", "3.22.0", datetime(2026, 1, 1, tzinfo=UTC), False),
        ("ubuntu", "18.04", datetime(2026, 1, 1, tzinfo=UTC), True),
        ("ubuntu", "18.04-ESM", datetime(2026, 1, 1, tzinfo=UTC), False),
        ("centos", "7.9.2009", datetime(2026, 1, 1, tzinfo=UTC), True),
        ("redhat", "7.9", datetime(2026, 1, 1, tzinfo=UTC), False),
        ("sles", "15.5", datetime(2026, 1, 1, tzinfo=UTC), True),
        ("slem", "5.5", datetime(2026, 1, 1, tzinfo=UTC), False),
        ("wolfi", "20230201", datetime(2099, 1, 1, tzinfo=UTC), False),
        ("fedora", "30", datetime(2099, 1, 1, tzinfo=UTC), False),
    ],
)
def test_a_release_ends_with_the_last_day_of_its_support(
    family: str, name: str, now: datetime, ended: bool, tmp_path: Path
) -> None:
    """S3"""
    assert examined(tmp_path, inventory(family, name), {"debian 12": {}}, now).end_of_life is ended


def test_one_vulnerability_of_one_package_is_told_once(tmp_path: Path) -> None:
    """S3: dpkg lists a library for each architecture, rpm too; only rpm's are packages apart."""
    both = [whole("libc6", "2.36-9", arch=arch) for arch in ("amd64", "i386")]
    twice = [package("glibc", "2.28-1", arch=arch) for arch in ("x86_64", "i686")]
    unfixed: dict[str, Any] = {"CVE-1": {"FixedVersion": "9-1"}}

    def count(image: ImageInventory, platform: str) -> int:
        return len(examined(tmp_path, image, {platform: {"libc6": unfixed, "glibc": unfixed}}).findings)

    assert count(inventory("debian", "12", *both), "debian 12") == 1
    several = [{"FixedVersion": version, "Arches": ["x86_64"]} for version in ("3-1", "9-1", "5-1")]
    image = inventory("oracle", "8.9", package("glibc", "2.28-1"))
    assert fixes(tmp_path, image, {"Oracle Linux 8": {"glibc": {"CVE-1": {"Entries": several}}}}) == {"CVE-1": "9-1"}
    assert count(inventory("alma", "8.9", *twice), "alma 8") == 2
