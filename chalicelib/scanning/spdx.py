"""Bills of materials as SPDX 2.3 JSON. Source: https://spdx.github.io/spdx-spec/v2.3/"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from . import licences
from .bills import IMAGE, SYSTEM, Bill, Part, moment_text

MEDIA_TYPE: Final = "application/spdx+json"
_ALGORITHMS: Final = {"sha256": "SHA256", "sha512": "SHA512"}
_TOOL: Final = "Tool: crs"
# Of an image that does not say when it was built: a moment is asked for, and the same image gives the same document.
_UNKNOWN: Final = datetime(1970, 1, 1, tzinfo=UTC)
_IMAGE_ID: Final = "SPDXRef-ContainerImage"
_SYSTEM_ID: Final = "SPDXRef-OperatingSystem"

Json = dict[str, Any]


def document(bill: Bill) -> str:
    created = moment_text(bill.created or _UNKNOWN)
    writer = _Writer(created)
    packages = list(writer.packages(bill))
    content: Json = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{bill.name}@{bill.digest}",
        "documentNamespace": f"https://spdx.org/spdxdocs/{quote(bill.name)}-{bill.id}",
        "creationInfo": {"created": created, "creators": [_TOOL]},
        "packages": packages,
        "relationships": list(_relationships(bill)),
    }
    if bill.problems:
        unread = "; ".join(f"{path}: {problem}" for path, problem in sorted(bill.problems.items()))
        content["comment"] = f"Incomplete: files could not be read. {unread}"
    if writer.texts:
        content["hasExtractedLicensingInfos"] = [
            {"licenseId": known, "extractedText": text, "name": text} for text, known in sorted(writer.texts.items())
        ]
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


class _Writer:
    """texts: licences that the SPDX list does not know, each under the id that this document gives it."""

    def __init__(self, created: str) -> None:
        self.texts: dict[str, str] = {}
        self._created = created

    def packages(self, bill: Bill) -> Iterator[Json]:
        yield self._image(bill)
        if bill.system is not None:
            yield _package(_SYSTEM_ID, bill.system.family, bill.system.name, "OPERATING-SYSTEM")
        ids = _ids(bill)
        for file in bill.files:
            told = self._annotations({"Type": file.type, "Class": "lang-pkgs"})
            yield {**_package(ids[file.ref], file.path or file.type, "", "APPLICATION"), "annotations": told}
        for part in bill.parts:
            yield self._part(ids[part.ref], part)

    def _image(self, bill: Bill) -> Json:
        algorithm, _, value = bill.digest.partition(":")
        told = [("crs:platform", bill.platform), *(("crs:layer", layer.ref.digest) for layer in bill.layers)]
        return {
            **_package(_IMAGE_ID, bill.name, bill.digest, "CONTAINER", bill.purl),
            "checksums": [{"algorithm": _ALGORITHMS[algorithm], "checksumValue": value}],
            "annotations": [self._annotation(name, value) for name, value in told if value],
        }

    def _part(self, spdx_id: str, part: Part) -> Json:
        package = part.package
        content = _package(spdx_id, package.name, part.version, "LIBRARY", part.purl)
        if package.source_name:
            content["sourceInfo"] = f"built package from: {package.source_name} {part.source_version}".strip()
        content["supplier"] = f"Organization: {package.maintainer}" if package.maintainer else "NOASSERTION"
        content["licenseDeclared"] = self._declared(package.licenses)
        content["annotations"] = self._annotations(
            {
                "PkgType": package.type,
                "FilePath": package.path,
                "Modularitylabel": package.modularity,
                "LayerDigest": part.installed.layer.digest,
            }
        )
        return content

    def _declared(self, named: Sequence[str]) -> str:
        told = [self._licence(text) for text in dict.fromkeys(named) if text.strip()]
        if len(told) > 1:
            told = [f"({one})" if " " in one else one for one in told]
        return " AND ".join(told) or "NOASSERTION"

    def _licence(self, text: str) -> str:
        known = licences.expression(text)
        if known:
            return known
        text = text[: licences.LONGEST]
        return self.texts.setdefault(text, f"LicenseRef-{hashlib.sha256(text.encode()).hexdigest()[:16]}")

    def _annotations(self, told: Mapping[str, str]) -> list[Json]:
        return [self._annotation(name, value) for name, value in told.items() if value]

    def _annotation(self, name: str, value: str) -> Json:
        return {
            "annotationDate": self._created,
            "annotationType": "OTHER",
            "annotator": _TOOL,
            "comment": f"{name}: {value}",
        }


def _package(spdx_id: str, name: str, version: str, purpose: str, purl: str = "") -> Json:
    content: Json = {"SPDXID": spdx_id, "name": name}
    if version:
        content["versionInfo"] = version
    content |= {"downloadLocation": "NOASSERTION", "filesAnalyzed": False, "primaryPackagePurpose": purpose}
    if purl:
        located = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}
        content["externalRefs"] = [located]
    return content


def _ids(bill: Bill) -> Mapping[str, str]:
    """Ids of the document, by refs."""
    files = {file.ref: f"SPDXRef-Application-{number}" for number, file in enumerate(bill.files)}
    parts = {part.ref: f"SPDXRef-Package-{number}" for number, part in enumerate(bill.parts)}
    return {IMAGE: _IMAGE_ID, SYSTEM: _SYSTEM_ID, **files, **parts}


def _relationships(bill: Bill) -> Iterator[Json]:
    ids = _ids(bill)
    yield _relationship("SPDXRef-DOCUMENT", "DESCRIBES", _IMAGE_ID)
    for ref, inside in bill.contents().items():
        yield from (_relationship(ids[ref], "CONTAINS", ids[one]) for one in inside)


def _relationship(one: str, kind: str, other: str) -> Json:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
