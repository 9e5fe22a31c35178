"""Style sheet, scripts, icons: read once, each under an address that names its content, so that browsers keep it."""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).with_name("static")
_SERVED: Final = frozenset({".css", ".js", ".svg"})


@dataclass(frozen=True)
class File:
    media_type: str
    body: bytes
    mark: str


@dataclass(frozen=True)
class Static:
    files: dict[str, File]

    @classmethod
    @cache
    def loaded(cls) -> Static:
        found = {path.name: _read(path) for path in sorted(FOLDER.iterdir()) if path.suffix in _SERVED}
        return cls(found)

    def address(self, name: str) -> str:
        return f"/console/static/{self.files[name].mark}/{name}"


def _read(path: Path) -> File:
    body = path.read_bytes()
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return File(media_type, body, hashlib.sha256(body).hexdigest()[:12])
