"""Package URLs of languages' packages: github.com/package-url/purl-spec, as scanners write them."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

_KINDS: Final = {
    "python-pkg": "pypi",
    "conda-pkg": "conda",
    "node-pkg": "npm",
    "jar": "maven",
    "gobinary": "golang",
    "rustbinary": "cargo",
    "cargo": "cargo",
    "gemspec": "gem",
    "composer-vendor": "composer",
    "dotnet-core": "nuget",
    "nuget": "nuget",
    "packages-props": "nuget",
}
_WITH_NAMESPACES: Final = frozenset({"npm", "maven", "golang", "composer"})
# Of a path's segment in RFC 3986, but for what separates the parts of a package URL.
_PLAIN: Final = "!$&'()*,;=:~"


def language_purl(package_type: str, name: str, version: str) -> str:
    """ "" for what has none: a Go module that was replaced by a folder, and types of systems."""
    kind = _KINDS.get(package_type)
    if kind is None or not name or (kind == "golang" and name.startswith(("./", "../"))):
        return ""
    if kind == "pypi":
        name = name.replace("_", "-").lower()
    elif kind in ("npm", "golang"):
        name = name.lower()
    elif kind == "maven":
        name = name.replace(":", "/")
    namespace, slash, last = name.rpartition("/") if kind in _WITH_NAMESPACES else ("", "", name)
    if kind == "golang" and slash and not last:
        return ""
    segments = [kind, *(each for each in namespace.split("/") if each), last]
    return (
        "pkg:"
        + "/".join(quote(each, safe=_PLAIN) for each in segments)
        + (f"@{quote(version, safe=_PLAIN)}" if version else "")
    )
