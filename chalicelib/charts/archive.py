"""What a chart's archive holds: its README, its values, the names of its templates. Read in passing, under limits, and
never unpacked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from chalicelib.layers.entries import MIB, Entry, FileRefused, LayerRefused, Limits
from chalicelib.layers.reading import read_layer
from chalicelib.registry.chart_facts import printable

ArchiveState = Literal["shown", "missing", "malformed", "too_large"]

# Helm refuses charts past these: 100 MiB uncompressed, 5 MiB a file. Source: helm, pkg/chart/loader/archive.
LIMITS: Final = Limits(bytes_most=100 * MIB, entries=20_000, file_bytes=5 * MIB, memory_bytes=5 * MIB, seconds=10)
# A larger archive is not read. Helm itself stores a chart in a Secret of 1 MB.
MOST_ARCHIVE_BYTES: Final = 20 * MIB
# Together they have to fit into the 6 MB that a function may answer, quoted twice.
README_BYTES: Final = 256 * 1024
VALUES_BYTES: Final = MIB
MOST_TEMPLATES: Final = 500
_READMES: Final = ("readme.md", "readme.txt", "readme")


@dataclass(slots=True)
class Contents:
    """cut: which of its texts are longer than what is here."""

    state: ArchiveState = "shown"
    readme: str = ""
    values: str = ""
    values_schema: bool = False
    templates: list[str] = field(default_factory=list)
    more_templates: bool = False
    cut: list[str] = field(default_factory=list)


def read_archive(chunks: Iterable[bytes], limits: Limits = LIMITS) -> Contents:
    """All that could be read of it; a damaged one shows what came before the damage."""
    found = Contents()
    try:
        for entry in read_layer(chunks, limits):
            _note(found, entry)
    except LayerRefused as refused:
        beyond = refused.reason in ("too_large", "too_many_entries", "too_long")
        found.state = "too_large" if beyond else "malformed"
    return found


def _note(found: Contents, entry: Entry) -> None:
    """All of a chart lies in one folder, named after it. Charts inside it (`charts/`) are not looked into."""
    _, _, name = entry.path.partition("/")
    if entry.kind != "file" or not name:
        return
    if name.lower() in _READMES and not found.readme:
        found.readme = _text(found, entry, "readme", README_BYTES)
    elif name == "values.yaml" and not found.values:
        found.values = _text(found, entry, "values", VALUES_BYTES)
    elif name == "values.schema.json":
        found.values_schema = True
    elif name.startswith("templates/"):
        found.more_templates = len(found.templates) == MOST_TEMPLATES
        if not found.more_templates:
            found.templates.append(printable(name)[:255])


def _text(found: Contents, entry: Entry, what: str, most_bytes: int) -> str:
    try:
        data = entry.content().read(most_bytes + 1)
    except FileRefused:
        found.cut.append(what)
        return ""
    if len(data) > most_bytes:
        found.cut.append(what)
    return printable(data[:most_bytes].decode(errors="replace"))
