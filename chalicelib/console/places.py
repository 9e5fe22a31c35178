"""Where things of an instance are shown, for pages and templates alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chalicelib.repositories.models import RepositoryView

if TYPE_CHECKING:
    from .visit import Visit

# The page that makes one more, where what there is stands by its name: nothing can be called `-`.
NEW: Final = "/-/new"


def reference(repository: RepositoryView) -> str:
    """What stands for a repository in a path: its short name, or its id where the name cannot."""
    return repository.id if "/" in repository.name else repository.name


def repository_path(visit: Visit, repository: RepositoryView, *rest: str) -> str:
    """For `go`: its page, or one below it."""
    return visit.within("namespaces", repository.namespace, "repositories", reference(repository), *rest)


def here(visit: Visit, *rest: str) -> str:
    """For `go`: the repository that the page's own path is about, or a page below it."""
    return visit.within("namespaces", visit.parts["namespace"], "repositories", visit.parts["repository"], *rest)
