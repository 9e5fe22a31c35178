"""What manifests and image configs say about themselves. Both were written by strangers: any field may be of any type,
or missing, and nothing here raises over it. Pure. Source: OCI image-spec 1.1, config and image index."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from chalicelib.kernel import media, strict_json
from chalicelib.kernel.errors import Invalid

# `os/architecture/variant`; real ones have less than 30 characters.
_LONGEST_PLATFORM: Final = 100
# What buildkit writes for attestations, which run nowhere.
_NO_PLATFORM: Final = "unknown/unknown"
# What signatures, attestations and bills of materials are made of, many of which bear the config of an image. Clients
# that run images unpack layers of any other type, known or not.
_DOCUMENTS: Final = re.compile(r"text/.*|.*(?:\bjson|\+xml)", re.ASCII)


def document(data: bytes) -> dict[str, Any]:
    """The JSON object in the bytes, {} if it is none."""
    try:
        value = strict_json.parse(data, "document")
    except Invalid:
        return {}
    return value if isinstance(value, dict) else {}


def text(value: object) -> str:
    """The value if it is text, else "". Half characters, which JSON can spell and UTF-8 cannot, become `?`."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def texts(value: object) -> tuple[str, ...]:
    """The texts of a list; of what is no list, none."""
    return tuple(text(one) for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def labels(value: object) -> dict[str, str]:
    return {text(name): text(one) for name, one in mapping(value).items() if isinstance(one, str)}


def objects(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def moment(value: object) -> datetime | None:
    """Of RFC 3339 text, in UTC."""
    try:
        parsed = datetime.fromisoformat(text(value))
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def platform(described: Mapping[str, Any]) -> str:
    """`linux/arm64/v8` from a config or from a descriptor's `platform`; "" where it says none."""
    system, architecture = text(described.get("os")), text(described.get("architecture"))
    if not system or not architecture:
        return ""
    parts = [system, architecture, text(described.get("variant"))]
    found = "/".join(part for part in parts if part)
    return "" if found == _NO_PLATFORM or len(found) > _LONGEST_PLATFORM else found


def platforms_of_index(index: Mapping[str, Any]) -> tuple[str, ...]:
    """In the order of the index, each once."""
    found = [platform(mapping(child.get("platform"))) for child in objects(index.get("manifests"))]
    return tuple(dict.fromkeys(one for one in found if one))


def is_image(media_type: str, config_type: str) -> bool:
    """config_type: a record's `artifact_type`, which is the config's media type where the manifest names no other."""
    return media_type in media.INDEXES or config_type in media.IMAGE_CONFIGS


def runs(media_type: str, manifest: Mapping[str, Any]) -> bool:
    """Whether a client could run it: an image, or an index that lists some. What a manifest calls itself
    (`artifactType`) does not count, as clients that run images do not look at it."""
    if media_type in media.INDEXES:
        return any(_lists_image(child) for child in objects(manifest.get("manifests")))
    if text(mapping(manifest.get("config")).get("mediaType")) not in media.IMAGE_CONFIGS:
        return False
    layers = [text(layer.get("mediaType")) for layer in objects(manifest.get("layers"))]
    return not layers or not all(_DOCUMENTS.fullmatch(layer) for layer in layers)


def _lists_image(child: Mapping[str, Any]) -> bool:
    """Attestations and artifacts say in the index what they are."""
    described = mapping(child.get("platform"))
    attestation = (described.get("os"), described.get("architecture")) == ("unknown", "unknown")
    return not attestation and not child.get("artifactType")


def commands(config: Mapping[str, Any], layers: int) -> Sequence[str]:
    """The command that made each layer, in order; "" where history and layers do not match."""
    made = [step for step in objects(config.get("history")) if step.get("empty_layer") is not True]
    if len(made) != layers:
        return ("",) * layers
    return [text(step.get("created_by")) for step in made]
