"""Operations: tags under rules of immutability stay what they are, whatever fails."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final

from chalicelib.immutability.models import NewRule, RuleEdit
from chalicelib.immutability.policies import Policies
from chalicelib.kernel.errors import NotFound, Refused, TagImmutable
from chalicelib.kernel.names import Digest, NamespaceName
from chalicelib.kernel.patterns import Pattern
from tests.registry.images import image

from .asking import Asking, Operation
from .pushing import FRESH
from .scenes import POOL, Scene


def _ruled(scene: Scene, *, enabled: bool = True) -> str:
    """Tags `fixed…` of the namespace are pushed once; there are two. Answers the rule's id."""
    scene.push_image(*POOL[4:6], tags=("fixed1", "fixed2", "free"))
    return fix_tags(scene, enabled=enabled)


def fix_tags(scene: Scene, tags: str = "fixed*", *, enabled: bool = True) -> str:
    """Answers the id of the rule that does."""
    new = NewRule(namespace=NamespaceName("library"), tags=Pattern(tags), enabled=enabled)
    return Policies(scene.stack).add(scene.instance, new, "ann").id


def _over(scene: Scene, rng: random.Random) -> Asking:
    """Among other tags, all of which stay where they are."""
    _ruled(scene)
    tags = rng.choice((("fixed1",), ("free", "fixed2"), ("fixed1", "fixed2", "fresh")))
    return Asking(lambda at: at.push_image(FRESH[0], tags=tags), refused=TagImmutable)


def _same(scene: Scene, rng: random.Random) -> Asking:
    """The same digest is no overwrite."""
    _ruled(scene)
    return Asking(lambda at: at.push_image(*POOL[4:6], tags=("fixed1", "fixed3")))


def _deletion(scene: Scene, rng: random.Random) -> Asking:
    _ruled(scene)
    reference = rng.choice(("fixed1", str(Digest.of(image(*POOL[4:6])))))
    return Asking(lambda at: at.delete(reference), refused=TagImmutable)


def _making(scene: Scene, rng: random.Random) -> Asking:
    """Once it was answered no tag under it moves."""
    scene.push_image(*POOL[4:6], tags=("fixed1",))
    return Asking(fix_tags, settled=_stands, varying=("policy",))


def _switching(scene: Scene, rng: random.Random) -> Asking:
    rule = _ruled(scene, enabled=False)
    return Asking(lambda at: Policies(at.stack).edit(at.instance, rule, RuleEdit(enabled=True)), settled=_stands)


def _removing(scene: Scene, rng: random.Random) -> Asking:
    rule = _ruled(scene)

    def settled(at: Scene) -> list[str]:
        try:
            at.push_image(*POOL[4:6], tags=("fixed1",))
        except Refused as refusal:
            return [f"the rule is gone, and still refuses: {refusal!r}"]
        return []

    return Asking(lambda at: Policies(at.stack).remove(at.instance, rule), done=(NotFound,), settled=settled)


def _stands(scene: Scene) -> list[str]:
    for attempt in (lambda: scene.push_image(POOL[6], tags=("fixed1",)), lambda: scene.delete("fixed1")):
        try:
            attempt()
        except TagImmutable:
            continue
        return ["a tag moved under a rule that was acknowledged"]
    return []


OPERATIONS: Final[Mapping[str, Operation]] = {
    "push over an immutable tag": Operation("push", _over),
    "push of the same to an immutable tag": Operation("push", _same),
    "deletion of an immutable tag": Operation("delete", _deletion),
    "making a rule of immutability": Operation("delete", _making),
    "switching a rule of immutability": Operation("delete", _switching),
    "removing a rule of immutability": Operation("delete", _removing),
}
