"""Operations: content comes from another instance of the same store, which copies its bytes itself."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from chalicelib.copying.callers import SYNC, bringer, reader
from chalicelib.copying.copier import Copier
from chalicelib.copying.local import LocalRepository
from chalicelib.copying.models import Effort
from chalicelib.kernel.names import RepositoryName
from tests.registry.images import image, index

from .asking import Asking, Operation
from .scenes import APP, CONFIG, POOL, Scene

_TAKEN: Final = RepositoryName("second/taken")


def _copy(at: Scene, tag: str) -> None:
    source = LocalRepository(at.stack, reader(at.neighbour, APP, SYNC), APP)
    target = LocalRepository(at.stack, bringer(at.instance, _TAKEN, SYNC), _TAKEN)
    outcome = Copier(source, target, Effort(parallel=1)).copy(tag, tag, override=False)
    assert outcome.verdict in ("copied", "unchanged"), outcome


def _image(scene: Scene, rng: random.Random) -> Asking:
    """Of layers that the instance has, and of such that it has not."""
    fresh = b"only the neighbour has this %d" % rng.randint(0, 9)
    beside = replace(scene, instance=scene.neighbour)
    beside.push_image(rng.choice(POOL), fresh, tags=("taken",))
    return Asking(lambda at: _copy(at, "taken"))


def _index(scene: Scene, rng: random.Random) -> Asking:
    """With what it lists, and a signature."""
    beside = replace(scene, instance=scene.neighbour)
    bodies = [image(layer) for layer in (b"one of the neighbour's", b"another of the neighbour's")]
    for body, layer in zip(bodies, (b"one of the neighbour's", b"another of the neighbour's"), strict=True):
        beside.push(body, blobs=(CONFIG, layer))
    beside.push(index(*bodies), "listed")
    beside.sign(bodies[0], rng.choice(POOL))
    return Asking(lambda at: _copy(at, "listed"))


OPERATIONS: Final[Mapping[str, Operation]] = {
    "image from another instance": Operation("push", _image),
    "index from another instance": Operation("push", _index),
}
