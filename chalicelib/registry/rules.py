"""What a manifest is, decided from its bytes alone. Source: OCI image-spec 1.1, Docker image manifest v2 schema 2."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from chalicelib.kernel import media, strict_json
from chalicelib.kernel.errors import Invalid, ManifestInvalid, SizeInvalid, TooLarge
from chalicelib.kernel.names import Digest

# The specification asks for 4 MiB at least; larger ones are refused before they are read.
MANIFEST_LIMIT_BYTES: Final = 4 * 1024 * 1024
# Up to here the body stands in the row, so that a pull is one read; a larger one is stored like a blob.
INLINE_LIMIT_BYTES: Final = 16 * 1024
# Rows list what a manifest needs: 4 000 digests are 300 KB of the 400 KB that an item may have.
REFERENCES_LIMIT: Final = 4000
# One transaction carries five writes for each tag and at most 100 in all.
TAGS_PER_PUSH: Final = 15
# No image has more, and nobody checks the sizes of what is not here: sums of them must not outgrow the table's numbers.
MOST_CONTENT_BYTES: Final = 2**45
# Annotations are copied into the referrers list up to here; longer ones are read from the manifest itself.
ANNOTATIONS_LIMIT_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Parsed:
    """
    blobs     digest → size in bytes of each blob that must be here
    optional  digests of those that need not be; held if they are: layers that clients fetch from elsewhere
    children  digest → size of each manifest that an index lists

    content_size: of everything it names, once each, in bytes; at most MOST_CONTENT_BYTES
    """

    media_type: str
    artifact_type: str
    subject: str
    annotations: dict[str, str]
    content_size: int
    blobs: dict[str, int] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    children: dict[str, int] = field(default_factory=dict)


def parse_manifest(body: bytes, content_type: str) -> Parsed:
    """Raises ManifestInvalid, TooLarge; DigestInvalid and SizeInvalid for descriptors."""
    if len(body) > MANIFEST_LIMIT_BYTES:
        raise TooLarge("manifest", MANIFEST_LIMIT_BYTES)
    try:
        document = strict_json.parse(body, "manifest")
    except Invalid as refused:
        raise ManifestInvalid(refused.message) from None
    if not isinstance(document, dict):
        raise ManifestInvalid("a manifest is a JSON object")
    media_type = _media_type(document, content_type)
    if document.get("schemaVersion") != 2 or isinstance(document.get("schemaVersion"), bool):
        raise ManifestInvalid("schemaVersion must be 2")
    if media_type in media.INDEXES:
        return _parse_index(document, media_type)
    return _parse_image(document, media_type)


def _media_type(document: dict[str, Any], content_type: str) -> str:
    declared = content_type.partition(";")[0].strip().lower()
    own = document.get("mediaType", "")
    if not isinstance(own, str):
        raise ManifestInvalid("mediaType must be text")
    if own and declared and own != declared:
        raise ManifestInvalid(f"Content-Type is {declared}, but the manifest's mediaType is {own}")
    media_type = own or declared
    if media_type not in media.MANIFESTS:
        raise ManifestInvalid(
            f"{media_type or 'a manifest without a media type'} is not accepted; use OCI or Docker v2.2"
        )
    return media_type


def _parse_image(document: dict[str, Any], media_type: str) -> Parsed:
    if "manifests" in document:
        raise ManifestInvalid("an image manifest has no manifests; is this an index?")
    config = _descriptor(document.get("config"), "config")
    layers = [_descriptor(layer, f"layers[{n}]") for n, layer in enumerate(_list(document, "layers"))]
    needed: dict[str, int] = {}
    for descriptor in (config, *layers):
        if not _fetched_elsewhere(descriptor):
            _gather(needed, descriptor)
    optional = frozenset(d["digest"] for d in layers if _fetched_elsewhere(d)) - needed.keys()
    if len(needed) + len(optional) > REFERENCES_LIMIT:
        raise ManifestInvalid(f"a manifest may name at most {REFERENCES_LIMIT} blobs")
    return Parsed(
        media_type=media_type,
        artifact_type=_text(document, "artifactType") or str(config["mediaType"]),
        subject=_subject(document),
        annotations=_annotations(document),
        content_size=min(sum(needed.values()), MOST_CONTENT_BYTES),
        blobs=needed,
        optional=optional,
    )


def _parse_index(document: dict[str, Any], media_type: str) -> Parsed:
    if "layers" in document or "config" in document:
        raise ManifestInvalid("an index has neither config nor layers; is this an image manifest?")
    children: dict[str, int] = {}
    for number, child in enumerate(_list(document, "manifests")):
        _gather(children, _descriptor(child, f"manifests[{number}]"))
    if len(children) > REFERENCES_LIMIT:
        raise ManifestInvalid(f"an index may name at most {REFERENCES_LIMIT} manifests")
    return Parsed(
        media_type=media_type,
        artifact_type=_text(document, "artifactType"),
        subject=_subject(document),
        annotations=_annotations(document),
        content_size=min(sum(children.values()), MOST_CONTENT_BYTES),
        children=children,
    )


def _gather(sizes: dict[str, int], descriptor: dict[str, Any]) -> None:
    if sizes.setdefault(descriptor["digest"], descriptor["size"]) != descriptor["size"]:
        raise SizeInvalid(f"{descriptor['digest']} is named with two sizes")


def _descriptor(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ManifestInvalid(f"{where} must be a descriptor")
    digest, size = value.get("digest"), value.get("size")
    if not isinstance(value.get("mediaType"), str):
        raise ManifestInvalid(f"{where}.mediaType must be text")
    if not isinstance(digest, str):
        raise ManifestInvalid(f"{where}.digest must be text")
    Digest.parse(digest)
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 2**63:
        raise ManifestInvalid(f"{where}.size must be a number of bytes")
    if "data" in value:
        _check_data(value, where)
    return value


def _check_data(descriptor: dict[str, Any], where: str) -> None:
    """Embedded content must be the content that the digest names, or one body would have two readings."""
    try:
        data = base64.b64decode(descriptor["data"], validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise ManifestInvalid(f"{where}.data must be base64") from None
    if (
        len(data) != descriptor["size"]
        or Digest.of(data, Digest(descriptor["digest"]).algorithm) != descriptor["digest"]
    ):
        raise ManifestInvalid(f"{where}.data is not the content its digest names")


def _fetched_elsewhere(descriptor: dict[str, Any]) -> bool:
    urls = descriptor.get("urls")
    return descriptor["mediaType"] in media.FOREIGN_LAYERS or (isinstance(urls, list) and bool(urls))


def _subject(document: dict[str, Any]) -> str:
    if document.get("subject") is None:
        return ""
    return str(_descriptor(document["subject"], "subject")["digest"])


def _annotations(document: dict[str, Any]) -> dict[str, str]:
    annotations = document.get("annotations")
    if annotations is None:
        return {}
    if not isinstance(annotations, dict) or not all(isinstance(value, str) for value in annotations.values()):
        raise ManifestInvalid("annotations must map text to text")
    return annotations


def _text(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    if value is not None and not isinstance(value, str):
        raise ManifestInvalid(f"{name} must be text")
    return value or ""


def _list(document: dict[str, Any], name: str) -> Iterable[Any]:
    value = document.get(name)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ManifestInvalid(f"{name} must be a list")
    return value


def loosened(parsed: Parsed) -> Parsed:
    """The same manifest where sparse content is allowed: nothing that it names needs to be here."""
    return replace(parsed, blobs={}, optional=parsed.optional | parsed.blobs.keys())


def refuse_wrong_size(digest: str, declared: int, actual: int) -> None:
    """A manifest that lies about a size would make clients stop short or read on."""
    if declared != actual:
        raise SizeInvalid(f"{digest} has {actual} bytes, the manifest says {declared}")
