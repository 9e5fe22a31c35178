"""What the database tells people of a vulnerability: title, score, references; and what severities others gave it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from .advisory import UNREADABLE
from .bolt import DatabaseCorrupt
from .models import Description, Rating

# Whose score is shown, of several: those who rate everything first.
_RATERS: Final = ("nvd", "redhat", "ghsa")
# Where to read on, by the beginning of an id.
_PAGES: Final = (
    ("CVE-", "https://avd.aquasec.com/nvd/{lower}"),
    ("RUSTSEC-", "https://osv.dev/vulnerability/{id}"),
    ("GHSA-", "https://github.com/advisories/{id}"),
    ("TEMP-", "https://security-tracker.debian.org/tracker/{id}"),
)
# Of ids of their own, vendors' pages among the references.
_VENDORS: Final = (
    "https://lists.opensuse.org",
    "http://lists.opensuse.org",
    "https://linux.oracle.com/errata",
    "http://linux.oracle.com/errata",
    "https://access.redhat.com",
    "https://usn.ubuntu.com",
    "http://www.ubuntu.com",
    "https://www.debian.org",
    "http://www.debian.org",
    "https://www.npmjs.com",
    "https://hackerone.com",
    "https://groups.google.com",
)


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    v2: float = msgspec.field(default=0.0, name="V2Score")
    v3: float = msgspec.field(default=0.0, name="V3Score")
    v4: float = msgspec.field(default=0.0, name="V40Score")
    v2_vector: str = msgspec.field(default="", name="V2Vector")
    v3_vector: str = msgspec.field(default="", name="V3Vector")
    v4_vector: str = msgspec.field(default="", name="V40Vector")


class Vulnerability(msgspec.Struct, frozen=True, kw_only=True):
    """As the database has it. severity: in words, of nobody in particular; severities: by who gave them, numbers."""

    title: str = msgspec.field(default="", name="Title")
    description: str = msgspec.field(default="", name="Description")
    severity: str = msgspec.field(default="", name="Severity")
    severities: Mapping[str, int] | None = msgspec.field(default=None, name="VendorSeverity")
    scores: Mapping[str, Scores] | None = msgspec.field(default=None, name="CVSS")
    weaknesses: tuple[str, ...] | None = msgspec.field(default=None, name="CweIDs")
    references: tuple[str, ...] | None = msgspec.field(default=None, name="References")
    published_at: str | None = msgspec.field(default=None, name="PublishedDate")
    modified_at: str | None = msgspec.field(default=None, name="LastModifiedDate")


_decode: Final = msgspec.json.Decoder(Vulnerability | None).decode


def read_vulnerability(content: bytes, vulnerability_id: str) -> Vulnerability:
    try:
        return _decode(content) or Vulnerability()
    except UNREADABLE as error:
        raise DatabaseCorrupt(f"the vulnerability {vulnerability_id} cannot be read: {error}") from error


def describe(vulnerability_id: str, found: Vulnerability) -> Description:
    ratings = tuple(_ratings(found.scores or {}))
    return Description(
        id=vulnerability_id,
        title=found.title,
        description=found.description,
        url=_url(vulnerability_id, found.references or ()),
        score=ratings[0].score if ratings else None,
        ratings=ratings,
        weaknesses=found.weaknesses or (),
        references=found.references or (),
        published_at=found.published_at or "",
        modified_at=found.modified_at or "",
    )


def _ratings(scores: Mapping[str, Scores]) -> list[Rating]:
    """Those who rate everything first; of each the form first that most others use too: 3 before 4 before 2."""
    ratings = []
    for by in sorted(scores, key=lambda name: (_RATERS.index(name) if name in _RATERS else len(_RATERS), name)):
        given = scores[by]
        forms = (
            ("3", given.v3, given.v3_vector),
            ("4.0", given.v4, given.v4_vector),
            ("2.0", given.v2, given.v2_vector),
        )
        for form, score, vector in forms:
            if score:
                ratings.append(Rating(by=by, version=_version(vector, form), vector=vector, score=score))
    return ratings


def _version(vector: str, form: str) -> str:
    """Vectors of version 2 do not say theirs."""
    return vector.partition("/")[0].removeprefix("CVSS:") if vector.startswith("CVSS:") else form


def _url(vulnerability_id: str, references: tuple[str, ...]) -> str:
    for beginning, page in _PAGES:
        if vulnerability_id.startswith(beginning):
            return page.format(id=vulnerability_id, lower=vulnerability_id.lower())
    pages = [reference for vendor in _VENDORS for reference in references if reference.startswith(vendor)]
    return next(iter([*pages, *references]), "")
