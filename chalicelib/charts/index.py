"""The classic index of the charts that lie in one folder: `index.yaml`.

    repositories of the folder ─► those that the caller may pull ─► a piece for each chart ─► one document

Pieces are made once and kept while the table stands still. The document is JSON, one version a line: JSON is YAML too,
its strings cannot be broken out of, and helm reads it ten times as fast.
Source: helm.sh/docs/topics/chart_repository, "The index file".
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from itertools import islice
from typing import Final

from chalicelib.kernel.errors import Refused
from chalicelib.kernel.paging import every
from chalicelib.ports.stack import Stack
from chalicelib.repositories.models import Repository
from chalicelib.repositories.service import Repositories

from .parts import archive_named
from .shelf import Shelf, Shelved
from .versions import archive_of, newest_first, order_of, tag_of, version_of

# Of each chart those pushed last. Whoever wants an older one names it: it is served all the same.
MOST_VERSIONS: Final = 500
# Of one index, and of all pieces that a process keeps.
MOST_BYTES: Final = 48 * 1024 * 1024
# Repositories looked at for one folder. Quotas are below that.
MOST_REPOSITORIES: Final = 20_000
_CHART: Final = re.compile(r"[a-zA-Z0-9._-]{1,250}", re.ASCII)
_ROWS: Final = 1000


class IndexTooLarge(Refused):
    code = "INDEX_TOO_LARGE"
    status = 422

    def __init__(self) -> None:
        most = MOST_BYTES // 1024**2
        super().__init__(f"the index of this folder would have more than {most} MiB; pull its charts by oci://")


@dataclass(frozen=True, slots=True)
class Piece:
    """What an index says of one chart; empty where there is nothing to be said. newest: when it was pushed last."""

    text: bytes
    mark: bytes
    newest: str


@dataclass(frozen=True, slots=True)
class Document:
    """An index in parts, which are sent as they are. charts: how many are in it."""

    parts: Sequence[bytes]
    size: int
    etag: bytes
    charts: int


class Pieces:
    """By repository, in one entry of the stack's memory, which is forgotten whole as the table's epoch changes."""

    def __init__(self) -> None:
        self._held: dict[str, Piece] = {}
        self._bytes = 0
        self.get = self._held.get

    def keep(self, repository_id: str, piece: Piece) -> None:
        self._bytes += len(piece.text)
        if self._bytes > MOST_BYTES:
            self._held.clear()
            self._bytes = len(piece.text)
        self._held[repository_id] = piece


class Indexes:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._repositories = Repositories(stack)
        self._shelf = Shelf(stack)

    def repositories(self, instance_id: str, folder: str) -> tuple[Repository, ...]:
        """Those right below the folder, which is a namespace or lies in one, that may hold charts: a repository has no
        kind until the event of its first push was handled. Those further down have an index of their own. From memory.
        """
        return self._stack.memory.get(("charts", instance_id, folder), lambda: self._load(instance_id, folder))

    def _load(self, instance_id: str, folder: str) -> tuple[Repository, ...]:
        below = f"{folder}/"
        rows = every(lambda cursor: self._repositories.list(instance_id, prefix=below, cursor=cursor, limit=_ROWS))
        return tuple(
            one for one in islice(rows, MOST_REPOSITORIES) if one.kind != "image" and "/" not in one.name[len(below) :]
        )

    def document(self, instance_id: str, repositories: Sequence[Repository], nothing_since: str) -> Document:
        """nothing_since: when it is said to have been made while there is nothing in it. Raises IndexTooLarge."""
        pieces = [piece for piece in self._pieces(instance_id, repositories) if piece.text]
        made = max((piece.newest for piece in pieces), default=nothing_since)
        parts = [b'{"apiVersion":"v1","entries":{\n']
        for piece in pieces:
            parts += [piece.text, b",\n"]
        if pieces:
            parts.pop()
        parts.append(b'},\n"generated":%s}\n' % json.dumps(made).encode())
        mark = blake2b(b"".join(piece.mark for piece in pieces) + made.encode(), digest_size=16).hexdigest()
        return Document(parts, sum(map(len, parts)), f'"{mark}"'.encode(), len(pieces))

    def _pieces(self, instance_id: str, repositories: Sequence[Repository]) -> list[Piece]:
        kept = self._stack.memory.get("pieces of chart indexes", Pieces)
        found = {one.id: piece for one in repositories if (piece := kept.get(one.id)) is not None}
        missing = [one for one in repositories if one.id not in found]
        left = MOST_BYTES - sum(len(piece.text) for piece in found.values())
        made = self._shelf.of_each(partial(self._piece, instance_id), missing)
        for repository, piece in zip(missing, made, strict=True):
            left -= len(piece.text)
            if left < 0:
                raise IndexTooLarge
            found[repository.id] = piece
            kept.keep(repository.id, piece)
        return [found[one.id] for one in repositories]

    def _piece(self, instance_id: str, repository: Repository) -> Piece:
        chart = repository.name.rpartition("/")[2]
        pushed = self._shelf.tags(repository, MOST_VERSIONS).items
        tags = [tag for tag in pushed if order_of(version_of(tag["name"]))]
        listed = [one for one in self._shelf.versions(instance_id, tags) if _belongs(one, chart)]
        if not listed:
            return Piece(b"", b"", "")
        listed.sort(key=lambda one: newest_first(one.version), reverse=True)
        lines = [_line(one) for one in listed]
        text = (f"{json.dumps(chart)}:[\n" + ",\n".join(lines) + "]").encode()
        newest = max(one.tag["pushed_at"] for one in listed)
        return Piece(text, blake2b(text, digest_size=16).digest(), newest)


def _belongs(one: Shelved, chart: str) -> bool:
    """A repository speaks for the chart that it is named after, and a tag for the version that it is named after: who
    pushes into another could else pass off a chart as this one."""
    named_so = one.name == chart and _CHART.fullmatch(chart) is not None
    return named_so and one.tag["name"] == tag_of(one.version) and bool(archive_of(chart, one.version))


def _line(one: Shelved) -> str:
    """Chart.yaml, and where the archive is, relative to the index."""
    algorithm, _, digest = archive_named(one.row["body"] or b"").partition(":")
    named = f',"digest":"{digest}"' if algorithm == "sha256" else ""
    # Neither times nor digests nor names of archives hold anything that JSON would have to quote.
    return f'{one.text[:-1]},"created":"{one.tag["pushed_at"]}","urls":["{archive_of(one.name, one.version)}"]{named}}}'
