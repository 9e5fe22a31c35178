"""Images rebuilt from lists of their packages, so that a scanner finds what the list says.

    rebuilt(list_path) -> bytes      one layer, a plain tar: the database of the system's package manager in the format
                                     that such systems have, and the files that say which system it is
    listed(list_path)  -> [Package]  what an inventory of that layer has to hold, in the order of inventories
    system_of(list_path)             family and name of the system, as reports of the image have them

The lists are those of `fixtures/trivy/packages`: JSON of Trivy's packages. Any other list works too, when it is told
which system it is of: rebuilt(path, ("rocky", "8.5")).
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from chalicelib.packages.models import Package

from . import rpm_writing as rpm

Listed: TypeAlias = Mapping[str, Any]
System: TypeAlias = tuple[str, str]

SYSTEMS: Final[dict[str, System]] = {
    "alpine-310": ("alpine", "3.10.2"),
    "amazon-2": ("amazon", "2 (Karoo)"),
    "centos-6": ("centos", "6.10"),
    "debian-buster": ("debian", "10.1"),
    "opensuse-leap-151": ("opensuse-leap", "15.1"),
    "opensuse-tumbleweed": ("opensuse-tumbleweed", "20240607"),
    "oraclelinux-8-slim": ("oracle", "8.0"),
    "photon-30": ("photon", "3.0"),
    "ubi-7": ("redhat", "7.7"),
    "ubuntu-18.04": ("ubuntu", "18.04"),
}
# Lists of an older kind say no vendor: packages are then of the system's makers.
_VENDORS: Final = {"centos": "CentOS", "oracle": "Oracle America"}
_RELEASES: Final[dict[str, Callable[[str], dict[str, str]]]] = {
    "alpine": lambda name: {"etc/alpine-release": f"{name}\n"},
    "amazon": lambda name: {"etc/system-release": f"Amazon Linux release {name}\n"},
    "centos": lambda name: {"etc/centos-release": f"CentOS release {name} (Final)\n"},
    "debian": lambda name: {"etc/debian_version": f"{name}\n"},
    "oracle": lambda name: {
        "etc/oracle-release": f"Oracle Linux Server release {name}\n",
        "etc/redhat-release": f"Red Hat Enterprise Linux release {name} (Ootpa)\n",
    },
    "ubuntu": lambda name: {
        "etc/lsb-release": f"DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE={name}\n",
        "etc/debian_version": "buster/sid\n",
    },
}
_IDS: Final = {
    "alma": "almalinux",
    "cbl-mariner": "mariner",
    "oracle": "ol",
    "redhat": "rhel",
    "slem": "sl-micro",
}
_BDB: Final = ("var/lib/rpm/Packages", rpm.bdb)
_NDB: Final = ("usr/lib/sysimage/rpm/Packages.db", rpm.ndb)
_SQLITE: Final = ("var/lib/rpm/rpmdb.sqlite", rpm.sqlite)
_DATABASES: Final = {"opensuse-tumbleweed": _NDB, "oracle": _SQLITE, "photon": _SQLITE, "cbl-mariner": _SQLITE}


def system_of(list_path: Path) -> System:
    return SYSTEMS[list_path.stem]


def rebuilt(list_path: Path, system: System | None = None) -> bytes:
    family, name = system or system_of(list_path)
    packages: list[Listed] = json.loads(list_path.read_text())
    return tar({**_release_files(family, name), **_database_files(family, packages)})


def tar(files: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(path)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def listed(list_path: Path, system: System | None = None) -> list[Package]:
    family, _ = system or system_of(list_path)
    packages = [_package(family, each) for each in json.loads(list_path.read_text())]
    return sorted(packages, key=lambda each: (each.name, each.version, each.release, each.arch))


def _release_files(family: str, name: str) -> dict[str, str]:
    written = _RELEASES.get(family)
    files = written(name) if written else {}
    if family not in ("amazon", "centos", "debian", "ubuntu"):
        files["usr/lib/os-release"] = f'NAME="{family}"\nID="{_IDS.get(family, family)}"\nVERSION_ID="{name}"\n'
    return files


def _database_files(family: str, packages: Sequence[Listed]) -> dict[str, str | bytes]:
    if family in ("alpine", "wolfi", "chainguard"):
        return {"lib/apk/db/installed": "".join(map(_apk_paragraph, packages))}
    if family in ("debian", "ubuntu"):
        return {"var/lib/dpkg/status": "".join(map(_stanza, packages)), **_copyrights(packages)}
    path, write = _DATABASES.get(family, _BDB)
    return {path: write([_rpm_header(family, each) for each in packages]), **_build_file(packages)}


def _whole(package: Listed, prefix: str = "") -> str:
    epoch, release = package.get(f"{prefix}Epoch"), package.get(f"{prefix}Release")
    version = str(package.get(f"{prefix}Version", ""))
    return (f"{epoch}:" if epoch else "") + version + (f"-{release}" if release else "")


def _apk_paragraph(package: Listed) -> str:
    fields = {
        "P": package["Name"],
        "V": package["Version"],
        "A": package.get("Arch", ""),
        "L": " AND ".join(package.get("Licenses", [])),
        "o": package.get("SrcName", ""),
        "m": package.get("Maintainer", ""),
    }
    return "".join(f"{key}:{value}\n" for key, value in fields.items() if value) + "\n"


def _stanza(package: Listed) -> str:
    version, source_version = _whole(package), _whole(package, "Src")
    source = package.get("SrcName", package["Name"])
    fields = {
        "Package": package["Name"],
        "Status": "install ok installed",
        "Maintainer": package.get("Maintainer", ""),
        "Architecture": package.get("Arch", ""),
        "Source": source if version == source_version else f"{source} ({source_version})",
        "Version": version,
        "Description": "one line\n and another",
    }
    return "".join(f"{key}: {value}\n" for key, value in fields.items() if value) + "\n"


def _copyrights(packages: Sequence[Listed]) -> dict[str, str]:
    return {
        f"usr/share/doc/{each['Name']}/copyright": "".join(f"License: {name}\n text\n\n" for name in each["Licenses"])
        for each in packages
        if each.get("Licenses")
    }


def _rpm_header(family: str, package: Listed) -> bytes:
    says_vendor = "Repository" in package
    source = f"{package.get('SrcName')}-{package.get('SrcVersion')}-{package.get('SrcRelease')}.src.rpm"
    tags: dict[int, rpm.Value] = {
        rpm.NAME: package["Name"],
        rpm.VERSION: package["Version"],
        rpm.RELEASE: package.get("Release", ""),
        rpm.EPOCH: package.get("Epoch", 0),
        rpm.ARCH: package.get("Arch", "") if package.get("Arch") != "None" else "",
        rpm.VENDOR: package.get("Maintainer", "") if says_vendor else _VENDORS.get(family, ""),
        rpm.LICENSE: (package.get("Licenses") or [""])[0],
        rpm.SOURCE: source if package.get("SrcName") else "",
        rpm.MODULARITY: package.get("Modularitylabel", ""),
    }
    return rpm.header({tag: value for tag, value in tags.items() if value})


def _build_file(packages: Sequence[Listed]) -> dict[str, str]:
    build: Listed = next((each["BuildInfo"] for each in packages if each.get("BuildInfo")), {})
    if build.get("ContentSets"):
        return {"root/buildinfo/content_manifests/x.json": json.dumps({"content_sets": build["ContentSets"]})}
    if not build:
        return {}
    component, version, release = build["Nvr"].rsplit("-", 2)
    labels = f'LABEL com.redhat.component="{component}" \\\n      architecture="{build["Arch"]}"\n'
    return {f"root/buildinfo/Dockerfile-{component}-{version}-{release}": f"FROM scratch\n{labels}"}


def _package(family: str, package: Listed) -> Package:
    """Versions of dpkg whole, of rpm in parts, as the model wants them."""
    build = package.get("BuildInfo", {})
    sets = {"content_sets": ",".join(build["ContentSets"])} if build.get("ContentSets") else {}
    names = {key.lower(): build[key] for key in ("Nvr", "Arch") if build.get(key)}
    in_parts = family not in ("debian", "ubuntu")
    return Package(
        type=family,
        name=package["Name"],
        version=package["Version"] if in_parts else _whole(package),
        epoch=package.get("Epoch", 0) if in_parts else 0,
        release=package.get("Release", "") if in_parts else "",
        arch=package.get("Arch", ""),
        source_name=package.get("SrcName", ""),
        source_version=package.get("SrcVersion", "") if in_parts else _whole(package, "Src"),
        source_epoch=package.get("SrcEpoch", package.get("Epoch", 0)) if in_parts else 0,
        source_release=package.get("SrcRelease", "") if in_parts else "",
        modularity=package.get("Modularitylabel", ""),
        licenses=tuple(package.get("Licenses") or ()),
        maintainer=package.get("Maintainer", _VENDORS.get(family, "")),
        third_party=package.get("Repository", {}).get("Class") == "third-party",
        build={**sets, **names},
    )
