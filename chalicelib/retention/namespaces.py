"""Where a namespace stands now: policies hang on its id, and restored it may bear another name."""

from __future__ import annotations

from chalicelib.instances.models import Instance
from chalicelib.kernel.errors import NotFound
from chalicelib.kernel.paging import every
from chalicelib.namespaces.models import Namespace
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports.stack import Stack


def find_namespace(stack: Stack, instance: Instance, namespace_id: str, name: str) -> Namespace | None:
    """name: what it was called last. None while it lies in the recycle bin, and when it is gone for good."""
    namespaces = Namespaces(stack)
    try:
        named = namespaces.get(instance.id, name, fresh=True)
    except NotFound:
        named = None
    if named is not None and named.id == namespace_id:
        return named
    everyone = every(lambda cursor: namespaces.list(instance.id, cursor=cursor))
    return next((namespace for namespace in everyone if namespace.id == namespace_id), None)
