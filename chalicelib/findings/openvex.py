"""OpenVEX documents: which image or package a vulnerability does not affect, and why. Source: OpenVEX 0.2.0.

What the specification knows and this does not use is passed over; what is used is held to it, and to limits.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from chalicelib.kernel.modelling import KEPT
from chalicelib.kernel.moment import Moment

from .package_urls import LONGEST, PackageUrl

MOST_STATEMENTS: Final = 1000
# Of one statement, and of one product.
MOST_PRODUCTS: Final = 1000
_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)

Status = Literal["not_affected", "affected", "fixed", "under_investigation"]
SILENCING: Final = frozenset({"not_affected", "fixed"})
Justification = Literal[
    "component_not_present",
    "vulnerable_code_not_present",
    "vulnerable_code_not_in_execute_path",
    "vulnerable_code_cannot_be_controlled_by_adversary",
    "inline_mitigations_already_exist",
]
Prose = Annotated[str, Field(max_length=2000)]
Address = Annotated[str, Field(max_length=LONGEST)]


class Foreign(BaseModel):
    model_config = KEPT


class Identifiers(Foreign):
    purl: Address = ""


class Component(Foreign):
    """An image, or a package in it: by package URL, in `@id` or among the identifiers, or by hash."""

    id: Annotated[Address, Field(alias="@id")] = ""
    identifiers: Identifiers = Identifiers()
    hashes: Annotated[dict[str, Annotated[str, Field(max_length=256)]], Field(max_length=16)] = {}

    @property
    def purl(self) -> PackageUrl | None:
        for text in (self.identifiers.purl, self.id):
            try:
                return PackageUrl.parse(text)
            except ValueError:
                continue
        return None

    @property
    def digest(self) -> str:
        """Of an image; "" where it is not named by one."""
        purl = self.purl
        if purl is not None and purl.type == "oci" and purl.version:
            return purl.version
        found = self.hashes.get("sha-256", "").lower()
        return f"sha256:{found}" if _SHA256.fullmatch(found) else ""


class Product(Component):
    """subcomponents: the packages of the image that it is about; none: all."""

    subcomponents: Annotated[tuple[Component, ...], Field(max_length=MOST_PRODUCTS)] = ()

    @model_validator(mode="after")
    def _stays_what_it_is(self) -> Product:
        purl = self.purl
        if purl is not None and purl.type == "oci" and "tag" in purl.qualifiers and not self.digest:
            raise ValueError("names an image by its tag, which moves; name it by its digest")
        return self

    @property
    def recognised(self) -> bool:
        return bool(self.digest) or self.purl is not None


class Vulnerability(Foreign):
    name: Annotated[str, Field(min_length=3, max_length=128)]
    aliases: Annotated[tuple[Annotated[str, Field(max_length=128)], ...], Field(max_length=100)] = ()

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(one.casefold() for one in (self.name, *self.aliases))


class Statement(Foreign):
    vulnerability: Vulnerability
    timestamp: Moment | None = None
    last_updated: Moment | None = None
    products: Annotated[tuple[Product, ...], Field(max_length=MOST_PRODUCTS)]
    status: Status
    status_notes: Prose = ""
    justification: Justification | None = None
    impact_statement: Prose = ""

    # Not asked of the fields: those count what is left, so that one bad product would be two mistakes.
    @model_validator(mode="after")
    def _says_what_and_why(self) -> Statement:
        if not self.products:
            raise ValueError("names no product")
        if self.status == "not_affected" and not (self.justification or self.impact_statement.strip()):
            raise ValueError("says not_affected, so it needs a justification or an impact_statement")
        return self

    @property
    def reason(self) -> str:
        """For people: why the finding does not count."""
        why = [self.justification or "", self.impact_statement.strip() or self.status_notes.strip()]
        return ": ".join(part for part in why if part) or self.status


class OpenVex(Foreign):
    context: Annotated[str, Field(alias="@context", max_length=100)]
    id: Annotated[Address, Field(alias="@id", min_length=1)]
    author: Annotated[str, Field(min_length=1, max_length=500)]
    timestamp: Moment
    last_updated: Moment | None = None
    statements: Annotated[tuple[Statement, ...], Field(max_length=MOST_STATEMENTS)]

    @field_validator("context")
    @classmethod
    def _is_openvex(cls, context: str) -> str:
        if not re.fullmatch(r"https://openvex\.dev/ns(/v0\.2\.\d+)?", context):
            raise ValueError("is not OpenVEX 0.2: https://openvex.dev/ns/v0.2.0")
        return context

    @model_validator(mode="after")
    def _is_about_something(self) -> OpenVex:
        if not any(product.recognised for statement in self.statements for product in statement.products):
            raise ValueError("names no image and no package by a package URL or a hash")
        return self

    def said_at(self, statement: Statement) -> datetime:
        """When; the latest word on a product counts."""
        return statement.last_updated or statement.timestamp or self.last_updated or self.timestamp
