"""Where things of an instance are shown, for pages and templates alike."""

from __future__ import annotations

from typing import Final

from chalicelib.repositories.models import RepositoryView

from .visit import Visit

# A repository of this name would be hidden by the page that makes one.
_TAKEN: Final = frozenset({"new"})


def reference(repository: RepositoryView) -> str:
    """What stands for a repository in a path: its short name, or its id where the name cannot."""
    return repository.id if "/" in repository.name or repository.name in _TAKEN else repository.name


def repository_path(visit: Visit, repository: RepositoryView, *rest: str) -> str:
    """For `go`: its page, or one below it."""
    return visit.within("namespaces", repository.namespace, "repositories", reference(repository), *rest)


def here(visit: Visit, *rest: str) -> str:
    """For `go`: the repository that the page's own path is about, or a page below it."""
    return visit.within("namespaces", visit.parts["namespace"], "repositories", visit.parts["repository"], *rest)
