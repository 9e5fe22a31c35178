"""Operations: content comes."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final

from chalicelib.kernel.errors import BlobUnknown, ManifestBlobUnknown, RangeInvalid, UploadUnknown
from chalicelib.kernel.names import Digest, RepositoryName, TagName
from chalicelib.registry.copies import Copies, Copy
from tests.registry.images import image, index, push_blob

from .asking import Asking, Operation
from .scenes import APP, CONFIG, OTHER, POOL, SECOND, Scene, referring_to

FRESH = [b"fresh layer %d " % number * 20 for number in range(4)]


def _tags(rng: random.Random, *existing: str) -> tuple[str, ...]:
    return (*existing, *(f"new{number}" for number in range(rng.randint(0 if existing else 1, 3))))


def _image(scene: Scene, rng: random.Random) -> Asking:
    layers = (*rng.sample(POOL, rng.randint(0, 2)), *rng.sample(FRESH, rng.randint(1, 2)))
    tags = _tags(rng)
    return Asking(lambda at: at.push_image(*layers, tags=tags))


def _by_digest(scene: Scene, rng: random.Random) -> Asking:
    layers = tuple(rng.sample(POOL + FRESH, 2))
    return Asking(lambda at: at.push_image(*layers))


def _over_tags(scene: Scene, rng: random.Random) -> Asking:
    layers = (rng.choice(POOL[:4]), rng.choice(FRESH))
    tags = _tags(rng, "v0.0", "stable")
    return Asking(lambda at: at.push_image(*layers, tags=tags))


def _same_again(scene: Scene, rng: random.Random) -> Asking:
    scene.push_image(*POOL[:2], tags=("same",))
    return Asking(lambda at: at.push_image(*POOL[:2], tags=("same",)))


def _known_under_new_tag(scene: Scene, rng: random.Random) -> Asking:
    body, tags = image(*POOL[:2]), _tags(rng, "v0.0")
    scene.push_image(*POOL[:2], tags=("same",))
    return Asking(lambda at: at.push(body, *tags))


def _whole_index(scene: Scene, rng: random.Random) -> Asking:
    """Children and all, as a builder pushes several platforms."""
    layers = [tuple(rng.sample(POOL[:4] + FRESH, rng.randint(1, 2))) for _ in range(rng.randint(2, 3))]
    tags = _tags(rng)

    def ask(at: Scene) -> None:
        for one in layers:
            at.push_image(*one)
        at.push(index(*(image(*one) for one in layers)), *tags)

    return Asking(ask)


def _index_alone(scene: Scene, rng: random.Random) -> Asking:
    bodies = [image(POOL[number], POOL[number + 1]) for number in range(rng.randint(1, 3))]
    for number in range(len(bodies)):
        scene.push_image(POOL[number], POOL[number + 1], tags=(f"child{number}",))
    return Asking(lambda at: at.push(index(*bodies), "multi", "both"))


def _large(scene: Scene, rng: random.Random) -> Asking:
    """The manifest itself is a blob."""
    annotations = {"note": "x" * 20_000}
    layers, tags = tuple(rng.sample(POOL[:3] + FRESH, 2)), _tags(rng)
    return Asking(lambda at: at.push_image(*layers, tags=tags, annotations=annotations))


def _out_of_the_bin(scene: Scene, rng: random.Random) -> Asking:
    digest = scene.push_image(*POOL[2:4], tags=("back",), annotations={"of": "the bin"})
    scene.delete(rng.choice((digest, "back")))
    return Asking(lambda at: at.push_image(*POOL[2:4], tags=("back",), annotations={"of": "the bin"}))


def _first_of_a_repository(scene: Scene, rng: random.Random) -> Asking:
    name = RepositoryName("second/fresh")
    layers, tags = (rng.choice(POOL), rng.choice(FRESH)), _tags(rng)
    return Asking(lambda at: at.push_image(*layers, tags=tags, name=name))


def _signature(scene: Scene, rng: random.Random) -> Asking:
    """Of an image that is here, or is to come."""
    subject = image(*POOL[1:3])
    if rng.random() < 0.7:
        scene.push_image(*POOL[1:3], tags=("signed",))
    layer = rng.choice(FRESH)
    return Asking(lambda at: at.push_image(layer, **referring_to(subject)))


def _mounted(scene: Scene, rng: random.Random) -> Asking:
    layers = rng.sample(POOL[:4], 2)
    scene.push_image(*layers, tags=("source",))

    def ask(at: Scene) -> None:
        for data in (CONFIG, *layers):
            if not at.registry.mount(at.caller, SECOND, Digest.of(data), APP):
                at.bring(data, SECOND)
        at.push(image(*layers), "mounted", name=SECOND)

    return Asking(ask)


def _upload(scene: Scene, rng: random.Random) -> Asking:
    data = rng.choice((FRESH[0], b"much " * 9000, b""))

    def settled(at: Scene) -> list[str]:
        try:
            at.registry.blob(at.caller, APP, Digest.of(data))
        except BlobUnknown:
            return ["a blob that was acknowledged is not there"]
        return []

    return Asking(lambda at: push_blob(at.registry, at.caller, data), settled=settled)


def _upload_in_pieces(scene: Scene, rng: random.Random) -> Asking:
    """In several requests; where one fails the client asks how much arrived and goes on, or begins anew."""
    pieces = [b"piece %d " % number * rng.randint(1, 400) for number in range(rng.randint(2, 4))]

    def ask(at: Scene) -> None:
        data = b"".join(pieces)
        upload = at.registry.start_upload(at.caller, APP)
        offset = 0
        for piece in pieces:
            writer = at.registry.resume(at.caller, APP, upload.id, offset)
            try:
                writer.append(piece)
                offset += len(piece)
                if offset == len(data):
                    writer.finish(Digest.of(data))
                else:
                    writer.keep()
            finally:
                writer.close()

    return Asking(ask, done=(RangeInvalid,))


def _cancelled_upload(scene: Scene, rng: random.Random) -> Asking:
    upload = scene.registry.start_upload(scene.caller, APP)
    writer = scene.registry.resume(scene.caller, APP, upload.id, 0)
    writer.append(b"half of it")
    writer.keep()
    writer.close()
    return Asking(lambda at: at.registry.cancel_upload(at.caller, APP, upload.id), done=(UploadUnknown,))


def _copy(scene: Scene, rng: random.Random) -> Asking:
    """An image, or an index with its children and signatures, on the server."""
    bodies = [image(*POOL[:2]), image(*POOL[1:3])]
    scene.push_image(*POOL[:2])
    scene.push_image(*POOL[1:3], tags=("plain",))
    scene.push(index(*bodies), "whole")
    scene.sign(bodies[1], POOL[6])
    digest = Digest.of(rng.choice((bodies[1], index(*bodies))))
    target, referrers = rng.choice((APP, OTHER, SECOND)), rng.random() < 0.6

    def ask(at: Scene) -> None:
        copy = Copy(at.caller, at.repository(), digest, target, TagName("copied"), referrers)
        Copies(at.stack).copy(copy)

    return Asking(ask)


def _sparse(scene: Scene, rng: random.Random) -> Asking:
    """An index of which one child is not here: refused, or taken where the namespace allows it."""
    here, missing = image(*POOL[:2]), image(b"nowhere")
    scene.push_image(*POOL[:2])
    allowed = scene.sparse
    body = index(here, missing)
    refused = None if allowed else ManifestBlobUnknown
    return Asking(lambda at: at.push(body, "sparse"), refused=refused)


OPERATIONS: Final[Mapping[str, Operation]] = {
    "push of an image": Operation("push", _image),
    "push by digest": Operation("push", _by_digest),
    "push over tags": Operation("push", _over_tags),
    "push of the same": Operation("push", _same_again),
    "push of what is known under a new tag": Operation("push", _known_under_new_tag),
    "push of an index with its images": Operation("push", _whole_index),
    "push of an index over tagged images": Operation("push", _index_alone),
    "push of a large manifest": Operation("push", _large),
    "push of what is in the bin": Operation("push", _out_of_the_bin),
    "push that makes a repository": Operation("push", _first_of_a_repository),
    "push of a signature": Operation("push", _signature),
    "push with mounts": Operation("push", _mounted),
    "push of a sparse index": Operation("push", _sparse),
    "upload": Operation("push", _upload),
    "upload in pieces": Operation("push", _upload_in_pieces),
    "cancelled upload": Operation("push", _cancelled_upload),
    "copy on the server": Operation("push", _copy),
}
