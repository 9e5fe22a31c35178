"""Pure decisions about namespaces."""

from __future__ import annotations

from chalicelib.kernel.errors import NameInvalid
from chalicelib.kernel.names import NamespaceName


def is_namespace_name(text: str) -> bool:
    """Whether a namespace can be called so; where none can, nothing is looked up."""
    try:
        NamespaceName.parse(text)
    except NameInvalid:
        return False
    return True
