"""Packages of languages and advisories made up at random, of names and versions that are easily taken wrongly."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chalicelib.packages.models import Package


@dataclass(frozen=True)
class _Language:
    prefix: str
    names: tuple[str, ...]
    versions: tuple[str, ...]

    def known(self, name: str) -> str:
        name = name if self.prefix == "go" else name.lower()
        return name.replace("_", "-") if self.prefix == "pip" else name


_LANGUAGES: Final = {
    "python-pkg": _Language(
        "pip",
        ("Alpha", "Beta_x", "seal-gamma", "zope.interface"),
        ("0.15.3", "2.31.0", "1.0a1", "1.0rc1", "1.0.post1", "2.0.0+cu118", "1.2", "4.2.8+sp1", "2022.12.7", "unknown"),
    ),
    "node-pkg": _Language(
        "npm",
        ("@scope/Pack", "JSONStream", "ejs", "@seal-security/ejs"),
        ("1.2.3", "4.17.12", "1.0.0-rc.1", "2.0.0-alpha.1", "3.1.8-sp1", "0.0.3", "1.2"),
    ),
    "jar": _Language(
        "maven",
        ("org.x:Artifact", "com.y:lib", "seal.sp1.org.y:z"),
        ("2.9.10.3", "5.3.18", "1.0-alpha-1", "1.0-SNAPSHOT", "1.0.0.RELEASE", "31.1-jre", "2.0.0.Final", "9.4+sp1"),
    ),
    "gobinary": _Language(
        "go",
        ("github.com/Foo/bar", "stdlib", "golang.org/x/text", "sealsecurity.io/github.com/a/b"),
        ("v1.2.3", "v0.0.0-20200622213623-75b288015ac9", "v2.8.0+incompatible", "v1.20.3", "v1.1.1-sp1", "(devel)"),
    ),
    "gemspec": _Language(
        "rubygems",
        ("Rails", "seal-rack"),
        ("4.2.11.3", "3.0.0.rc1", "5.2.4", "1.2.3-java", "2.0.7.0.1.sp1"),
    ),
    "rustbinary": _Language("cargo", ("Smallvec", "ring"), ("0.3.7", "1.2.3", "2.0.0-beta.1", "1.0.0+5")),
    "composer-vendor": _Language(
        "composer", ("Vendor/Thing", "guzzlehttp/psr7"), ("1.8.4", "v5.4.1", "3.0.0-RC1", "2.1", "dev-main")
    ),
    "dotnet-core": _Language("nuget", ("Newtonsoft.Json", "log4net"), ("13.0.1", "6.0.0-preview.3", "4.3.0.1", "1.0")),
}
# Labels of Python cannot stand in ranges, except in those of a mender.
_LABELS: Final = ("+cu118", "+sp1")
_PUBLISHERS: Final = {"GitHub": "ghsa", "GitLab": "glad", "OSV": "osv"}
_RATERS: Final = ("ghsa", "nvd", "glad", "seal", "osv")


def packages() -> list[Package]:
    return [
        Package(type=type_, name=name, version=version, path=f"opt/{type_}")
        for type_, language in _LANGUAGES.items()
        for name in language.names
        for version in language.versions
    ]


def rows(seed: int) -> Mapping[str, Any]:
    """As `rows.packed` takes them."""
    chance = random.Random(seed)
    made: dict[str, Any] = {"data-source": {}, "vulnerability": {}}
    for language in _LANGUAGES.values():
        for platform, publisher in _platforms(language.prefix):
            based = {"BaseID": "nvd"} if chance.random() < 0.2 else {}
            made["data-source"][platform] = {"ID": publisher, "Name": platform, "URL": "https://example.com/"} | based
            known = [language.known(name) for name in language.names if chance.random() < 0.8]
            made[platform] = {name: {_id(chance): _advisory(chance, language) for _ in range(6)} for name in known}
    ids = {one for platform in made["data-source"] for name in made[platform].values() for one in name}
    made["vulnerability"] = {one: _vulnerability(chance) for one in sorted(ids) if chance.random() < 0.9}
    return made


def _platforms(prefix: str) -> Iterator[tuple[str, str]]:
    for name, publisher in _PUBLISHERS.items():
        yield f"{prefix}::{name}", publisher
    yield f"seal {prefix}::Seal", "seal"


def _id(chance: random.Random) -> str:
    return chance.choice(("CVE-2024-", "GHSA-aaaa-bbbb-")) + str(chance.randint(1000, 1040))


def _vulnerability(chance: random.Random) -> dict[str, Any]:
    raters = chance.sample(_RATERS, chance.randint(0, 4))
    severities = {rater: chance.randint(0, 4) for rater in raters}
    return {"Severity": chance.choice(("LOW", "HIGH", "CRITICAL", "UNKNOWN")), "VendorSeverity": severities}


def _advisory(chance: random.Random, language: _Language) -> dict[str, Any]:
    advisory: dict[str, Any] = {}
    if chance.random() < 0.8:
        advisory["VulnerableVersions"] = [_range(chance, language) for _ in range(chance.randint(1, 2))]
    if chance.random() < 0.5:
        advisory["PatchedVersions"] = [
            _version(chance, language) if chance.random() < 0.6 else _range(chance, language)
            for _ in range(chance.randint(1, 2))
        ]
    if chance.random() < 0.2:
        advisory["UnaffectedVersions"] = [_range(chance, language)]
    if chance.random() < 0.1:
        advisory["VulnerableVersions"] = [""]
    return advisory | ({"VendorIDs": ["GHSA-x"]} if chance.random() < 0.3 else {})


def _range(chance: random.Random, language: _Language) -> str:
    first, second = _version(chance, language), _version(chance, language)
    if language.prefix == "maven" and chance.random() < 0.3:
        return f"[{first},{second})"
    return chance.choice(
        (f"< {first}", f">= {first}, < {second}", f"<= {first}", f"= {first}", f"> {first} < {second}")
    )


def _version(chance: random.Random, language: _Language) -> str:
    version = chance.choice([one for one in language.versions if one.lstrip("v")[0].isdecimal()])
    for label in _LABELS:
        version = version.removesuffix(label) if language.prefix == "pip" else version
    return version
