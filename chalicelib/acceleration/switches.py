"""Whether images of a repository are to be accelerated, and what stands in a tag's way."""

from __future__ import annotations

from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.names import ACCELERATED, TagName
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports.stack import Stack
from chalicelib.repositories.models import Repository


def are_on(stack: Stack, instance: Instance, repository: Repository) -> bool:
    """As they stand now: the repository's as it was read, its namespace's read for this."""
    if instance.edition != "enterprise":
        return False
    if repository.acceleration:
        return True
    try:
        return Namespaces(stack).get(instance.id, repository.name.namespace, fresh=True).acceleration
    except NotFound:
        return False


def too_long(tag: TagName) -> str:
    return f"with {ACCELERATED} behind it, the name of tag {tag} is longer than a tag's may be"


def taken(tag: TagName) -> str:
    return f"a tag {tag}{ACCELERATED} that somebody pushed stands in the way; delete it, then accelerate {tag}"
