"""Systems and advisories made up at random, near enough to each other that versions lie on both sides of a fix."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_PACKAGES = 40
_NAMES = ("bash", "openssl", "curl", "zlib", "libx", "python3", "perl-base", "glibc", "nodejs", "kernel-core")
_ARCHES = ("x86_64", "noarch", "aarch64")
_RATERS = (
    "nvd",
    "ghsa",
    "redhat",
    "debian",
    "ubuntu",
    "alpine",
    "amazon",
    "suse-cvrf",
    "oracle-oval",
    "photon",
    "rocky",
)
_PUBLISHERS = {
    "debian": "debian", "ubuntu": "ubuntu", "alpine": "alpine", "wolfi": "wolfi", "chainguard": "chainguard",
    "amazon": "amazon", "alma": "alma", "rocky": "rocky", "oracle": "oracle-oval", "photon": "photon",
    "cbl-mariner": "cbl-mariner", "azurelinux": "azure", "sles": "suse-cvrf", "slem": "suse-cvrf",
    "opensuse-leap": "suse-cvrf", "opensuse-tumbleweed": "suse-cvrf", "redhat": "redhat-oval", "centos": "redhat-oval",
}  # fmt: skip
_MAKERS = {
    "alma": "AlmaLinux", "rocky": "Rocky Enterprise Software Foundation", "oracle": "Oracle America",
    "photon": "VMware, Inc.", "amazon": "Amazon Linux", "cbl-mariner": "Microsoft Corporation",
    "azurelinux": "Microsoft Corporation", "sles": "SUSE LLC <https://www.suse.com/>", "redhat": "Red Hat, Inc.",
    "slem": "SUSE LLC <https://www.suse.com/>", "opensuse-leap": "openSUSE", "opensuse-tumbleweed": "openSUSE",
    "centos": "CentOS",
}  # fmt: skip
_DPKG = frozenset({"debian", "ubuntu"})
_APK = frozenset({"alpine", "wolfi", "chainguard"})
RED_HATS = frozenset({"redhat", "centos"})
CONTENT_SETS = ("rhel-8-for-x86_64-baseos-rpms", "rhel-8-for-x86_64-appstream-rpms__8", "nobody-knows-this-one")
# Families, versions as their release files say them, and the platform that their advisories lie under.
SYSTEMS = (
    ("debian", "12.5", "debian 12"),
    ("debian", "8.11", "debian 8"),
    ("ubuntu", "24.04", "ubuntu 24.04"),
    ("ubuntu", "16.04", "ubuntu 16.04"),
    ("alpine", "3.22.1", "alpine 3.22"),
    ("alpine", "3.9.6", "alpine 3.9"),
    ("wolfi", "20230201", "wolfi"),
    ("chainguard", "20230214", "chainguard"),
    ("amazon", "2 (Karoo)", "amazon linux 2"),
    ("amazon", "2023.6.20241010 (Amazon Linux)", "amazon linux 2023"),
    ("alma", "8.9", "alma 8"),
    ("rocky", "9.3", "rocky 9"),
    ("oracle", "8.9", "Oracle Linux 8"),
    ("photon", "4.0", "Photon OS 4.0"),
    ("cbl-mariner", "2.0.20240101", "CBL-Mariner 2.0"),
    ("azurelinux", "3.0.20250101", "Azure Linux 3.0"),
    ("sles", "15.6", "SUSE Linux Enterprise 15.6"),
    ("slem", "5.5", "SUSE Linux Enterprise Micro 5.5"),
    ("opensuse-leap", "15.5", "openSUSE Leap 15.5"),
    ("opensuse-tumbleweed", "20240607", "openSUSE Tumbleweed"),
    ("redhat", "8.9", "Red Hat"),
    ("centos", "7.9.2009", "Red Hat"),
)

# Whose packages Seal rebuilds; Root.io does so with the first three families'.
REBUILT = tuple(
    system for system in SYSTEMS if system[0] in ("debian", "ubuntu", "alpine", "oracle", "cbl-mariner", *RED_HATS)
)


@dataclass(frozen=True)
class World:
    """packages: a list as Trivy writes them; rows: of a database, as `rows.packed` takes them."""

    packages: list[dict[str, Any]]
    rows: Mapping[str, Any]


def world(family: str, platform: str, seed: int) -> World:
    chance = random.Random(f"{family} {platform} {seed}")
    packages = [_package(chance, family, number) for number in range(_PACKAGES)]
    ids = [_id(chance, number) for number in range(60)]
    source = {"ID": _PUBLISHERS[family], "Name": f"{family} advisories", "URL": "https://example.com/"}
    rows: dict[str, Any] = {
        "data-source": {platform: source},
        "vulnerability": {one: _vulnerability(chance) for one in ids if chance.random() < 0.9},
        platform: {},
    }
    for package in packages:
        module = _module(package)
        for name in {module + package["Name"], package["SrcName"]}:
            rows[platform].setdefault(name, {}).update(
                {one: _advisory(chance, family, package, ids, one) for one in _keys(chance, family, ids)}
            )
    if family in RED_HATS:
        rows["Red Hat CPE"] = _PRODUCTS
    return World(packages=packages, rows=rows)


def rebuilt_world(family: str, platform: str, seed: int, by: str) -> World:
    """by: `rootio` or `seal`, who rebuilt some of the packages and has advisories of their own."""
    made = world(family, platform, seed)
    chance = random.Random(f"{family} {seed} {by}")
    rows: dict[str, Any] = dict(made.rows)
    ids = sorted(rows["vulnerability"])
    for package in made.packages:
        _rebuild(chance, family, package, by)
        of_rebuilder = f"root.io {platform}" if by == "rootio" else _sealed_platform(family, package)
        source = {"ID": by, "Name": by, "BaseID": family}
        rows["data-source"] = {**rows["data-source"], of_rebuilder: source}
        for name in {package["Name"], package["SrcName"]}:
            advisories = {one: _ranges(chance, family, package) for one in chance.sample(ids, 3)}
            rows.setdefault(of_rebuilder, {})[name] = advisories
    return World(packages=made.packages, rows=rows)


def _rebuild(chance: random.Random, family: str, package: dict[str, Any], by: str) -> None:
    if by == "seal":
        prefix = chance.choice(("seal-", "", ""))
        package |= {"Name": prefix + package["Name"], "SrcName": chance.choice(("Seal-", "")) + package["SrcName"]}
    elif chance.random() < 0.5:
        return
    elif family == "alpine":
        package["Version"] = f"{package['Version'].rpartition('-')[0]}-r{chance.randint(1, 2)}007{chance.randint(1, 3)}"
        package["SrcVersion"] = package["Version"]
    else:
        package["Release"] = f"{package.get('Release', '')}.root.io.{chance.randint(1, 3)}"
        package["SrcRelease"] = package["Release"]


def _sealed_platform(family: str, package: Mapping[str, Any]) -> str:
    if family in (*_DPKG, *_APK):
        return "seal alpine" if family == "alpine" else "seal debian"
    _, mark, rest = package["Release"].partition("el")
    return f"seal Red Hat {rest.partition('_')[0].partition('+')[0]}" if mark else "seal Red Hat"


def _ranges(chance: random.Random, family: str, package: Mapping[str, Any]) -> dict[str, Any]:
    fixed = [_near(chance, family, package) for _ in range(chance.randint(1, 2))]
    style = chance.choice(("<%s", ">=0, <%s", ">=0 <%s", "< %s"))
    ranges = {"VulnerableVersions": [style % one for one in fixed], "PatchedVersions": fixed}
    return {**(ranges if chance.random() < 0.9 else {}), "Severity": chance.randint(0, 4)}


_PRODUCTS: Mapping[str, Any] = {
    "repository": {
        "rhel-8-for-x86_64-baseos-rpms": [1, 2],
        "rhel-8-for-x86_64-appstream-rpms": [3],
        "rhel-7-server-rpms": [2, 4],
    },
    "nvr": {"ubi8-container-8.9-1-x86_64": [5]},
    "cpe": {"1": "cpe:/o:redhat:enterprise_linux:8"},
}


def _id(chance: random.Random, number: int) -> str:
    return chance.choice(("CVE-2024-", "CVE-2019-", "CVE-2023-", "GHSA-aaaa-bbbb-", "TEMP-")) + str(1000 + number)


def _keys(chance: random.Random, family: str, ids: list[str]) -> list[str]:
    """Red Hat's fixes lie under the advisory's id."""
    if family not in RED_HATS:
        return chance.sample(ids, 3)
    cves = [one for one in ids if one.startswith("CVE-")]
    return [*chance.sample(cves, 2), f"RHSA-2024:{chance.randint(1, 99)}", f"RHSA-2023:{chance.randint(1, 99)}"]


def _vulnerability(chance: random.Random) -> dict[str, Any]:
    raters = chance.sample(_RATERS, chance.randint(0, 4))
    return {
        "Title": "a title",
        "VendorSeverity": {rater: chance.randint(0, 4) for rater in raters},
        **({"Severity": chance.choice(("LOW", "HIGH", "CRITICAL", "UNKNOWN"))} if chance.random() < 0.7 else {}),
    }


def _package(chance: random.Random, family: str, number: int) -> dict[str, Any]:
    name = f"{chance.choice(_NAMES)}{number}"
    version, release = _number(chance), _release(chance, family)
    package: dict[str, Any] = {
        "Name": name,
        "SrcName": name if chance.random() < 0.5 else f"{name}-src",
        "Arch": "amd64" if family in _DPKG else chance.choice(_ARCHES),
        "Version": f"{version}-{release}" if family in _APK else version,
    }
    package["SrcVersion"] = package["Version"]
    if family not in (*_APK, *_DPKG):
        # Packages of others are left out of matching.
        official = chance.random() < 0.9
        package |= {"Maintainer": _MAKERS.get(family, "Somebody") if official else "Somebody Else"}
        package |= {"Repository": {"Class": "official" if official else "third-party"}}
    if family not in _APK:
        epoch = chance.choice((0, 0, 0, 1))
        package |= {"Release": release, "SrcRelease": release, "Epoch": epoch, "SrcEpoch": epoch}
    if family in ("alma", "rocky", *RED_HATS) and chance.random() < 0.3:
        package["Modularitylabel"] = "nodejs:12:8030020201124152102:229f0a1c"
    if family == "redhat":
        package["BuildInfo"] = {"ContentSets": list(CONTENT_SETS)}
    return package


def _module(package: Mapping[str, Any]) -> str:
    return "nodejs:12::" if package.get("Modularitylabel") else ""


def _number(chance: random.Random) -> str:
    return ".".join(str(chance.randint(0, 12)) for _ in range(chance.randint(1, 3)))


def _release(chance: random.Random, family: str) -> str:
    first = chance.randint(0, 3)
    if family in _APK:
        return f"r{first}"
    if family in _DPKG:
        return f"{first}" + chance.choice(("", "+deb12u1", "+deb12u2", "~bpo1", "ubuntu1", "ubuntu1.2"))
    return f"{first}." + chance.choice(("el8", "el8_5", "el8_5.1", "module_el8.3.0", "ksplice1.el8", "el8_fips", "1"))


def _near(chance: random.Random, family: str, package: Mapping[str, Any]) -> str:
    """A version that may be older, newer or the same."""
    number = package["Version"].rpartition("-")[0] if family in _APK else package["Version"]
    parts = number.split(".")
    if chance.random() < 0.6:
        at = chance.randrange(len(parts))
        parts[at] = str(max(0, int(parts[at]) + chance.randint(-2, 2)))
    same = package.get("Release") and chance.random() < 0.4
    release = package["Release"] if same else _release(chance, family)
    epoch = "" if family in _APK else chance.choice(("", "", "0:", "1:"))
    suffix = chance.choice(("", "", "_rc1", "_p2")) if family in _APK else chance.choice(("", "", "~rc1", "a"))
    return f"{epoch}{'.'.join(parts)}{suffix}-{release}"


def _advisory(
    chance: random.Random, family: str, package: Mapping[str, Any], ids: list[str], key: str
) -> dict[str, Any] | None:
    if family in RED_HATS:
        return {"Entries": [_entry_of_red_hat(chance, family, package, ids, key) for _ in range(chance.randint(1, 2))]}
    if chance.random() < 0.1:
        return None
    advisory: dict[str, Any] = {}
    if chance.random() < 0.8:
        advisory["FixedVersion"] = _near(chance, family, package)
    if family in ("rocky", "oracle") and chance.random() < 0.8:
        advisory["Entries"] = [_entry(chance, family, package) for _ in range(chance.randint(1, 3))]
    if family == "alpine" and chance.random() < 0.2:
        advisory["AffectedVersion"] = _near(chance, family, package)
    if family in ("debian", "ubuntu"):
        advisory |= {"Severity": chance.randint(0, 4), "Status": chance.randint(0, 7), "VendorIDs": ["DSA-1-1"]}
    return advisory


def _entry(chance: random.Random, family: str, package: Mapping[str, Any]) -> dict[str, Any]:
    return {"FixedVersion": _near(chance, family, package), "Arches": chance.sample(_ARCHES, 2), "VendorIDs": ["X-1"]}


def _entry_of_red_hat(
    chance: random.Random, family: str, package: Mapping[str, Any], ids: list[str], key: str
) -> dict[str, Any]:
    """No two advisories fix the same in the same version: which of them counts then, Trivy leaves to chance."""
    fixed = "" if key.startswith("CVE-") else f"{_near(chance, family, package)}.{key.rpartition(':')[2]}"
    cves = [{"ID": one, "Severity": chance.randint(0, 4)} for one in chance.sample(ids, 2)]
    return {
        **({"FixedVersion": fixed} if fixed else {}),
        **({"Arches": chance.sample(_ARCHES, 2)} if chance.random() < 0.5 else {}),
        **({"Status": chance.randint(0, 7)} if chance.random() < 0.7 else {}),
        "Cves": cves,
        "Affected": chance.sample(range(1, 7), 2),
    }
