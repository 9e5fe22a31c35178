"""Operations: an image is converted to one that loads lazily, and stands beside its original."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Final

from chalicelib.instances.service import Instances
from chalicelib.kernel import media
from chalicelib.namespaces.models import NamespaceEdit
from chalicelib.namespaces.service import Namespaces
from tests.registry.images import descriptor
from tests.scanning.shelf import LAYER, config_of, packed

from .asking import Asking, Operation
from .deleting import settle
from .scenes import Scene
from .service import work

LAYERS: Final = tuple(packed({f"app/part-{number}": f"layer {number} " * 40}) for number in range(3))


def _pushed(scene: Scene, rng: random.Random, tag: str) -> None:
    """An image of real layers, in a namespace that wants its pushes accelerated."""
    instances = Instances(scene.stack)
    instance = instances.change(instances.load(scene.instance.id), edition="enterprise")
    Namespaces(scene.stack).edit(instance, "library", NamespaceEdit(acceleration=True))
    layers = rng.sample(LAYERS, rng.randint(1, 2))
    config = config_of(layers)
    document = {
        "schemaVersion": 2,
        "mediaType": media.OCI_MANIFEST,
        "config": descriptor(config, media.OCI_CONFIG),
        "layers": [descriptor(layer, LAYER) for layer in layers],
    }
    scene.push(json.dumps(document).encode(), tag, blobs=(config, *layers))


def _of_a_push(scene: Scene, rng: random.Random) -> Asking:
    """From the push's event to the companion beside it."""
    _pushed(scene, rng, "fast")
    return Asking(work, background=True, varying=("task acceleration",))


def _again(scene: Scene, rng: random.Random) -> Asking:
    """The tag moves; its companion follows."""
    _pushed(scene, rng, "fast")
    settle(scene)
    _pushed(scene, random.Random(rng.random()), "fast")
    return Asking(work, background=True, varying=("task acceleration",))


OPERATIONS: Final[Mapping[str, Operation]] = {
    "acceleration of a push": Operation("events", _of_a_push),
    "acceleration of a tag that moved": Operation("events", _again),
}
