"""Package URLs as bills of materials write them, taken apart: github.com/package-url/purl-spec."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote


@dataclass(frozen=True, slots=True)
class PackageUrl:
    """kind: `pypi`, `npm` …; space: `org.example` of a Maven artifact, "" for none."""

    kind: str
    space: str
    name: str
    version: str


def parse_package_url(url: str) -> PackageUrl | None:
    """None for what is none. Qualifiers and what is below a package are left out."""
    if url[:4].lower() != "pkg:":
        return None
    path = url[4:].lstrip("/").partition("#")[0].partition("?")[0]
    kind, slash, rest = path.partition("/")
    if not slash:
        return None
    # A scope of npm begins with the sign that a version follows elsewhere.
    at = rest.rfind("@")
    version = unquote(rest[at + 1 :]) if at > 0 else ""
    segments = [unquote(each) for each in (rest[:at] if at > 0 else rest).split("/") if each]
    if not segments or not segments[-1]:
        return None
    return PackageUrl(kind.lower(), "/".join(segments[:-1]), segments[-1], version)
