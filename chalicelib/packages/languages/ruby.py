"""Ruby: the specifications that gem writes for what it installed."""

from __future__ import annotations

import re
from typing import BinaryIO, Final

from chalicelib.layers.entries import Entry

from ..models import Package
from ..reading import Places, Told, Unreadable, lines
from .licences import split_licences

TYPE: Final = "gemspec"
_FILE: Final = re.compile(r"/specifications/.+\.gemspec")
_NEW: Final = "Gem::Specification.new"
_VARIABLE: Final = re.compile(r"\|(.*)\|")
_ATTRIBUTES: Final = (
    # The longer name first: `licenses` begins like `license`.
    ("name", re.compile(r"\.name\s*=\s*(\S+)")),
    ("version", re.compile(r"\.version\s*=\s*(\S+)")),
    ("licenses", re.compile(r"\.licenses\s*=\s*\[(.+)\]")),
    ("license", re.compile(r"\.license\s*=\s*(\S+)")),
)
_LONGEST_LINE: Final = 64 * 1024


class RubyReader:
    name = "ruby"
    places = Places(endings=frozenset({".gemspec"}))

    def wants(self, entry: Entry) -> bool:
        return _FILE.search(entry.path) is not None

    def read(self, path: str, content: BinaryIO, entry: Entry) -> Told:
        told = _attributes(content)
        name, version = told.get("name", ""), told.get("version", "")
        if not name or not version:
            raise Unreadable("names no gem, or no version of it")
        licences = split_licences(told.get("license", ""))
        return Told(packages=(Package(type=TYPE, name=name, version=version, licenses=licences, path=path),))


def _attributes(content: BinaryIO) -> dict[str, str]:
    """name, version and license, the last two as far as they are there. It is Ruby, of which only assignments count."""
    told: dict[str, str] = {}
    variable = ""
    for raw in lines(content):
        if len(raw) > _LONGEST_LINE:
            raise Unreadable(f"a line of more than {_LONGEST_LINE} characters")
        line = raw.strip()
        if _NEW in line:
            found = _VARIABLE.search(line)
            variable = found[1] if found else ""
        if not variable:
            continue
        for attribute, pattern in _ATTRIBUTES:
            if line.startswith(f"{variable}.{attribute}"):
                found = pattern.search(line)
                told["license" if attribute == "licenses" else attribute] = _value(found[1] if found else "")
                break
        if all(told.get(each) for each in ("name", "version", "license")):
            break
    return told


def _value(text: str) -> str:
    """`"MIT".freeze, "BSD".freeze` are `MIT, BSD`."""
    return ", ".join(each.strip().removesuffix(".freeze").strip("'\"") for each in text.split(","))
