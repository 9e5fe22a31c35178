"""Operations: what was pushed is brought to another namespace, and to another instance, as rules say."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final

from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.names import NamespaceName
from chalicelib.sync.models import NewSyncRule
from chalicelib.sync.service import Sync
from tests.registry.images import image
from tests.stacks import make_namespace

from .asking import Asking, Operation
from .deleting import settle
from .scenes import CONFIG, POOL, Scene
from .service import work

# A step that stood still past its claim pushes what another has pushed meanwhile: the tag is the same, and is told of,
# counted and looked over once more.
_VARYING: Final = ("task sync",)


def _rule(scene: Scene) -> Instance:
    """What is pushed to `library` is brought to `shipped`, and replaces what stands there."""
    instances = Instances(scene.stack)
    instance = instances.change(instances.load(scene.instance.id), edition="enterprise")
    make_namespace(scene.stack, instance, "shipped")
    rule = NewSyncRule(
        name="ship",
        source_namespace=NamespaceName("library"),
        target_instance=instance.id,
        target_namespace="shipped",
        override=True,
    )
    Sync(scene.stack).create(instance, rule, "somebody")
    return instance


def _push(scene: Scene, rng: random.Random) -> None:
    layers = rng.sample(POOL, rng.randint(1, 3))
    scene.push(image(*layers, config=CONFIG), "shipped", blobs=(CONFIG, *layers))


def _of_a_push(scene: Scene, rng: random.Random) -> Asking:
    """From the push's event to the tag in the other namespace."""
    _rule(scene)
    _push(scene, rng)
    return Asking(work, background=True, varying=_VARYING)


def _of_two_pushes(scene: Scene, rng: random.Random) -> Asking:
    """The tag moved before anything was brought: what stands there in the end is the younger."""
    _rule(scene)
    _push(scene, rng)
    _push(scene, random.Random(rng.random()))
    return Asking(work, background=True, varying=_VARYING)


def _again(scene: Scene, rng: random.Random) -> Asking:
    """It was brought, and the tag moves."""
    _rule(scene)
    _push(scene, rng)
    settle(scene)
    _push(scene, random.Random(rng.random()))
    return Asking(work, background=True, varying=_VARYING)


OPERATIONS: Final[Mapping[str, Operation]] = {
    "synchronisation of a push": Operation("events", _of_a_push),
    "synchronisation of two pushes to one tag": Operation("events", _of_two_pushes),
    "synchronisation of a tag that moved": Operation("events", _again),
}
