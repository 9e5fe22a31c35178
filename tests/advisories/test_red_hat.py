"""Red Hat's advisories hold for products, which images name by their repositories or by their build."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chalicelib.packages.models import ImageInventory
from tests.advisories.images import examined, fixes, found, inventory, package

PRODUCTS: dict[str, Any] = {
    "repository": {
        "rhel-8-for-x86_64-baseos-rpms": [1],
        "rhel-8-for-x86_64-appstream-rpms": [2],
        "rhel-7-server-rpms": [7],
        "openshift-4": [4],
    },
    "nvr": {"ubi8-container-8.9-1-x86_64": [1]},
    "cpe": {"1": "cpe:/o:redhat:enterprise_linux:8"},
}


def entry(
    fixed: str = "", affected: tuple[int, ...] = (1,), cves: tuple[str, ...] = ("",), **more: Any
) -> dict[str, Any]:
    told = [{"ID": one, "Severity": 3} if one else {"Severity": 3} for one in cves]
    return {"FixedVersion": fixed, "Affected": list(affected), "Cves": told, **more}


def rows(package_name: str = "bash", /, **advisories: Any) -> dict[str, Any]:
    keyed = {key.replace("_", "-"): {"Entries": entries} for key, entries in advisories.items()}
    return {"Red Hat CPE": PRODUCTS, "Red Hat": {package_name: keyed}}


def rhel(*packages: Any) -> ImageInventory:
    return inventory("redhat", "8.9", *packages)


def test_what_has_no_fix_lies_under_its_own_id_and_the_rest_under_the_advisory_s(tmp_path: Path) -> None:
    """S3"""
    given = rows(
        CVE_2024_1=[entry(Status=5)],
        RHSA_2024_1=[entry("0:5.0-2.el8", cves=("CVE-2024-2", "CVE-2024-3"))],
    )

    findings = found(tmp_path, rhel(package("bash", "5.0-1.el8")), given)

    assert {key: (one.fixed, one.status, one.vendor_ids) for key, one in findings.items()} == {
        "CVE-2024-1": ("", "will_not_fix", ()),
        "CVE-2024-2": ("5.0-2.el8", "fixed", ("RHSA-2024-1",)),
        "CVE-2024-3": ("5.0-2.el8", "fixed", ("RHSA-2024-1",)),
    }
    assert {(one.severity, one.severity_source) for one in findings.values()} == {("high", "redhat")}


def test_of_several_fixes_the_latest_counts(tmp_path: Path) -> None:
    """S3"""
    given = rows(
        RHSA_2023_1=[entry("5.0-3", cves=("CVE-2024-1",))],
        RHSA_2024_1=[entry("5.0-10", cves=("CVE-2024-1",))],
        RHSA_2025_1=[entry("5.0-4", cves=("CVE-2024-1",))],
    )

    findings = found(tmp_path, rhel(package("bash", "5.0-5")), given)

    assert findings["CVE-2024-1"].vendor_ids == ("RHSA-2024-1",)
    assert fixes(tmp_path, rhel(package("bash", "5.0-10")), given) == {}


def test_advisories_of_other_products_do_not_concern_the_image(tmp_path: Path) -> None:
    """S3"""
    given = rows(
        CVE_2024_1=[entry(affected=(4,))], CVE_2024_2=[entry(affected=(4, 2))], CVE_2024_3=[entry(affected=())]
    )

    assert set(fixes(tmp_path, rhel(package("bash", "5.0-1")), given)) == {"CVE-2024-2"}


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        ({"content_sets": "rhel-8-for-x86_64-baseos-rpms,unknown"}, {"CVE-2024-1"}),
        ({"content_sets": "rhel-8-for-x86_64-appstream-rpms__8"}, {"CVE-2024-2"}),
        ({"content_sets": "openshift-4"}, {"CVE-2024-4"}),
        ({"nvr": "ubi8-container-8.9-1", "arch": "x86_64"}, {"CVE-2024-1"}),
        ({}, {"CVE-2024-1", "CVE-2024-2"}),
    ],
)
def test_an_image_s_products_follow_from_its_repositories_or_its_build(
    build: dict[str, str], expected: set[str], tmp_path: Path
) -> None:
    """S3"""
    given = rows(**{f"CVE_2024_{number}": [entry(affected=(number,))] for number in (1, 2, 4, 7)})

    assert set(fixes(tmp_path, rhel(package("bash", "5.0-1", build=build)), given)) == expected


def test_centos_goes_by_red_hat_s(tmp_path: Path) -> None:
    """S3"""
    given = rows(CVE_2024_1=[entry(affected=(7,))])

    assert set(fixes(tmp_path, inventory("centos", "7.9.2009", package("bash", "5.0-1")), given)) == {"CVE-2024-1"}


def test_where_nobody_knows_the_products_nothing_reads_as_safe(tmp_path: Path) -> None:
    """S3"""
    given = rows(CVE_2024_1=[entry(affected=(4,))])
    image = inventory(
        "redhat", "10.0", package("bash", "5.0-1"), package("curl", "7-1", build={"content_sets": "openshift-4"})
    )

    examination = examined(tmp_path, image, given)

    assert (examination.supported, examination.examined) == (False, 1)
    assert not examined(tmp_path, rhel(package("bash", "5.0-1")), {"debian 12": {}}).supported
    assert examined(tmp_path, rhel(package("bash", "5.0-1")), given).supported


def test_entries_may_be_of_some_architectures_only(tmp_path: Path) -> None:
    """S3"""
    given = rows(
        CVE_2024_1=[entry(Arches=["aarch64"])], CVE_2024_2=[entry(Arches=["x86_64", "s390x"])], CVE_2024_3=[entry()]
    )

    assert set(fixes(tmp_path, rhel(package("bash", "5.0-1")), given)) == {"CVE-2024-2", "CVE-2024-3"}
    assert len(fixes(tmp_path, rhel(package("bash", "5.0-1", arch="noarch")), given)) == 3


def test_packages_of_a_module_have_its_advisories(tmp_path: Path) -> None:
    """S3"""
    given = rows("nodejs:12::npm", CVE_2024_1=[entry()])
    label = "nodejs:12:8030020201124152102:229f0a1c"

    assert set(fixes(tmp_path, rhel(package("npm", "6-1", modularity=label)), given)) == {"CVE-2024-1"}
    assert fixes(tmp_path, rhel(package("npm", "6-1")), given) == {}


def test_keys_and_packages_of_others_are_left_out(tmp_path: Path) -> None:
    """S3"""
    given = rows(CVE_2024_1=[entry()])
    image = rhel(package("bash", "5.0-1", third_party=True), package("gpg-pubkey", "1-1"))

    assert examined(tmp_path, image, given).examined == 0
