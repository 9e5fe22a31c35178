"""Which findings documents silence. Of several statements about the same, the latest counts, whoever made it.

product    an image by its digest, or that of an index it belongs to · a repository, by name · a package anywhere
statement  not_affected, fixed: silent · affected, under_investigation: it counts, whatever an earlier one said
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from chalicelib.advisories.models import Finding
from chalicelib.kernel.moment import to_text
from chalicelib.ports.stack import Stack

from .image_names import ImageNames, NamesOfImages
from .openvex import SILENCING, OpenVex, Product, Statement
from .package_urls import PackageUrl


@dataclass(frozen=True, slots=True)
class Silence:
    """Why a finding does not count. expires_at: "" for ever; document: id of the one that says so."""

    reason: str
    expires_at: str
    document: str


class Said(Protocol):
    """A document that holds: its id, and until when, "" for ever."""

    @property
    def id(self) -> str: ...
    @property
    def until(self) -> str: ...
    @property
    def document(self) -> OpenVex: ...


@dataclass(frozen=True, slots=True)
class _Claim:
    """order: when it was said, and which was read last of what was said at the same moment."""

    order: tuple[str, int]
    statement: Statement
    silence: Silence


class Silencers:
    """names: digest → what else the image is known by; asked where a statement does not name the digest itself."""

    def __init__(self, documents: Iterable[Said], names: Callable[[str], ImageNames]) -> None:
        self._names = names
        claims: dict[str, list[_Claim]] = defaultdict(list)
        number = count()
        for said in documents:
            document = said.document
            for statement in document.statements:
                order = (to_text(document.said_at(statement)), next(number))
                claim = _Claim(order, statement, Silence(statement.reason, said.until, said.id))
                for known in statement.vulnerability.ids:
                    claims[known].append(claim)
        self._claims: Mapping[str, list[_Claim]] = claims

    def of(self, finding: Finding, digest: str) -> Silence | None:
        """Of an image's finding; None where it counts."""
        for claim in self._about(finding):
            if any(self._meant(product, finding, digest) for product in claim.statement.products):
                return claim.silence if claim.statement.status in SILENCING else None
        return None

    def _about(self, finding: Finding) -> list[_Claim]:
        """The latest first."""
        if not self._claims:
            return []
        found = [self._claims.get(known.casefold(), []) for known in {finding.id, *finding.vendor_ids}]
        return sorted((claim for claims in found for claim in claims), key=lambda claim: claim.order, reverse=True)

    def _meant(self, product: Product, finding: Finding, digest: str) -> bool:
        parts, package = product.subcomponents, _parsed(finding.purl)
        if self._is_image(product, digest):
            return not parts or any(_is_package(part.purl, package) for part in parts)
        return not parts and _is_package(product.purl, package)

    def _is_image(self, product: Product, digest: str) -> bool:
        named, purl = product.digest, product.purl
        if named:
            return named == digest or named in self._names(digest).indexes
        return purl is not None and purl.type == "oci" and any(map(_is_at(purl), self._names(digest).repositories))


def _is_at(purl: PackageUrl) -> Callable[[str], bool]:
    """Whether a repository is the one that the URL names: `registry.example/library/app`, with any host or none."""
    address = purl.qualifiers.get("repository_url", "").rstrip("/")

    def named(repository: str) -> bool:
        at_address = not address or repository in (address, address.partition("/")[2])
        return at_address and repository.rpartition("/")[2] == purl.name

    return named


def _is_package(named: PackageUrl | None, package: PackageUrl | None) -> bool:
    return named is not None and package is not None and named.covers(package)


def _parsed(purl: str) -> PackageUrl | None:
    try:
        return PackageUrl.parse(purl)
    except ValueError:
        return None


def silencers(stack: Stack, instance_id: str) -> Silencers:
    """All that hold now in an instance."""
    from .vex_documents import VexDocuments  # That one needs what is made here.

    return Silencers(VexDocuments(stack).holding(instance_id), NamesOfImages(stack, instance_id).of)
