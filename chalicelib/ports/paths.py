"""Every object key, in one place.

  <instance>/blobs/<end of generation>/<generation>       bytes of a blob; the table says which generation is live
  <instance>/tails/<upload>/<n>                            end of an upload too short for a part of its own
  <instance>/pushes/<repository>/<incarnation>             its creation is the event "an image was pushed"
  <instance>/surveys/<digest of a layer>/<version>         what a layer was found to hold
  <instance>/contents/<digest of a layer>/<version>        its files, with sizes
  <instance>/starts/<digest of a layer>/<version>          which of its files start others, for accelerated images
  <instance>/advice/<digest of a config>/<version>         what the makers of its image could do better
  <instance>/reports/<digest of an image>/<ulid>           what a scan came to
  vulnerabilities/<digest>/<import>/<file>                 a vulnerability database; of the service, and of no instance
  <instance>/probe/<ulid>                                  written and deleted at once, before an instance opens there

A generation is the id of the upload that wrote it and is never used twice. It, and not the digest, names the object,
because most uploads name their digest only at their end and no store renames for free (docs/decisions/0001).
"""

from __future__ import annotations

import re
from typing import Final

from chalicelib.kernel.ids import is_id

# Raised with the rules of advice: images are then looked over once more, by lists that are kept of their layers.
ADVICE_VERSION: Final = 1
# Raised when a layer's starts are told otherwise.
STARTS_VERSION: Final = 1
_DIGEST: Final = re.compile("sha256-[0-9a-f]{64}|sha512-[0-9a-f]{128}")


def blob(instance: str, generation: str) -> str:
    return f"{instance}/blobs/{generation[-1]}/{generation}"


def blobs(instance: str) -> str:
    return f"{instance}/blobs/"


def generation_of(key: str) -> str:
    """The generation an object of `blobs` holds."""
    return key.rsplit("/", 1)[1]


def tail(instance: str, upload: str, number: int) -> str:
    return f"{instance}/tails/{upload}/{number}"


def push(instance: str, repository: str, incarnation: str) -> str:
    return f"{instance}/pushes/{repository}/{incarnation}"


def probe(instance: str, attempt: str) -> str:
    return f"{instance}/probe/{attempt}"


def of_instance(instance: str) -> str:
    """How every key of an instance begins."""
    return f"{instance}/"


def upload_of(key: str) -> str:
    """The upload that wrote an object of `blobs` or `tails`."""
    parts = key.split("/")
    return parts[2] if parts[1] == "tails" else parts[-1]


def is_push(key: str) -> bool:
    """Whether an object's creation means that an image was pushed."""
    parts = key.split("/")
    # In a bucket that the customer named, others may write, and keep what they like under keys that look alike.
    return len(parts) == 4 and parts[1] == "pushes" and all(is_id(part) for part in (parts[0], *parts[2:]))


def instance_of(key: str) -> str:
    """The instance an object belongs to."""
    return key.split("/", 1)[0]


def incarnation_of(key: str) -> str:
    """The push that an object of `pushes` tells of."""
    return key.rsplit("/", 1)[1]


def survey(instance: str, layer: str, version: int) -> str:
    return f"{instance}/surveys/{_segment(layer)}/{version}"


def contents(instance: str, layer: str, version: int) -> str:
    return f"{instance}/contents/{_segment(layer)}/{version}"


def starts(instance: str, layer: str, version: int = STARTS_VERSION) -> str:
    return f"{instance}/starts/{_segment(layer)}/{version}"


def advice(instance: str, config: str, version: int) -> str:
    return f"{instance}/advice/{_segment(config)}/{version}"


def surveyed(instance: str, blob: str, newest: int) -> list[str]:
    """All that may be kept of a layer or of a config, by versions up to the newest."""
    versions = range(1, newest + 1)
    of_layers = [make(instance, blob, version) for version in versions for make in (survey, contents)]
    of_starts = [starts(instance, blob, version) for version in range(1, STARTS_VERSION + 1)]
    return [*of_layers, *of_starts, *(advice(instance, blob, version) for version in range(1, ADVICE_VERSION + 1))]


def surveys(instance: str) -> tuple[str, ...]:
    """How the keys begin under which something is kept of layers and configs."""
    return f"{instance}/surveys/", f"{instance}/contents/", f"{instance}/starts/", f"{instance}/advice/"


def layer_of(key: str) -> str:
    """The digest of the layer, or config, that an object of `surveys` is about."""
    return key.split("/")[2].replace("-", ":", 1)


def reports(instance: str, image: str = "") -> str:
    """How the keys of an image's reports begin, or of all images'."""
    return f"{instance}/reports/{_segment(image)}/" if image else f"{instance}/reports/"


def image_of(key: str) -> str:
    """The digest of the image that a report is about."""
    return key.split("/")[2].replace("-", ":", 1)


def is_of_scans(key: str) -> bool:
    """Whether an object was made by looking into layers: no row leads to its bytes, and none to be kept."""
    return key.split("/")[1] in ("surveys", "contents", "starts", "advice", "reports")


def is_ours(instance: str, key: str) -> bool:
    """Whether a key is one that the service makes. In a bucket that a customer named, others may keep what they like
    under keys that look alike."""
    parts = key.split("/")
    if len(parts) != 4 or parts[0] != instance:
        return False
    if parts[1] == "blobs":
        return is_id(parts[3]) and key == blob(instance, parts[3])
    ending = is_id(parts[3]) if parts[1] == "reports" else parts[3].isdigit()
    return is_of_scans(key) and ending and _DIGEST.fullmatch(parts[2]) is not None


def report(instance: str, image: str, attempt: str) -> str:
    return f"{instance}/reports/{_segment(image)}/{attempt}"


def database_file(digest: str, name: str) -> str:
    return f"vulnerabilities/{_segment(digest)}/{name}"


def _segment(digest: str) -> str:
    """A digest as a segment of a key, which may hold no colon."""
    return digest.replace(":", "-")
