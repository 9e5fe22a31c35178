"""Immutability rules for tests, made and changed through the API as an owner does."""

from __future__ import annotations

from chalicelib.kernel.names import Digest, TagName
from chalicelib.namespaces.service import Namespaces
from tests.registry.images import NAME
from tests.registry.library import Library

RULES = "/instances/ci/immutability-rules"


def rule(library: Library, tags: str = "**", **more: object) -> str:
    """The id of a new rule of namespace `library`."""
    answer = library.api().post(RULES, {"namespace": "library", "tags": tags, **more})
    assert answer.status == 201, answer.text
    return str(answer.json()["id"])


def switch(library: Library, rule_id: str, *, enabled: bool) -> None:
    assert library.api().patch(f"{RULES}/{rule_id}", {"enabled": enabled}).status == 200


def digest_of(library: Library, tag: str) -> Digest:
    return library.registry.pull(library.owner, NAME, TagName(tag)).digest


def namespace_id(library: Library) -> str:
    return Namespaces(library.stack).get(library.instance.id, "library", fresh=True).id
