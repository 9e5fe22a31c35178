"""What an image's pages are about: a tag with what it points to, or a manifest by its digest.

image = Image.of(visit)     asks for the tag, or for the manifest; what a page needs besides, it asks when it needs it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

from chalicelib.kernel import media
from chalicelib.registry.manifest_views import ManifestView
from chalicelib.registry.manifests_api import get_manifest
from chalicelib.registry.tag_views import TagDetail
from chalicelib.registry.tags_api import get_tag
from chalicelib.repositories.api import show_repository
from chalicelib.scanning.api import show_manifest_scan, show_scan
from chalicelib.scanning.views import ScanView

from .clients import Client
from .places import here
from .rendering import to
from .visit import Visit

_SHORT: Final = 19


def _(text: str) -> str:
    return text


# Page below the image → its name, for what it is: an index has no layers of its own, a chart none that are scanned.
_TABS: Final = (
    ("", _("Overview")),
    ("layers", _("Layers")),
    ("vulnerabilities", _("Vulnerabilities")),
    ("advice", _("Advice")),
    ("attachments", _("Attachments")),
    ("history", _("History")),
    ("acceleration", _("Acceleration")),
)
_OF_IMAGES: Final = frozenset({"vulnerabilities", "advice", "acceleration"})
_OF_TAGS: Final = frozenset({"history", "acceleration"})


@dataclass
class Image:
    """tag: None for one that is shown by its digest; manifest: asked for when somebody looks."""

    visit: Visit
    tag: TagDetail | None

    @classmethod
    def of(cls, visit: Visit) -> Image:
        """Raises NotFound."""
        if "tag" in visit.parts:
            return cls(visit, visit.ask(get_tag))
        image = cls(visit, None)
        image.manifest = visit.ask(get_manifest)
        return image

    @cached_property
    def manifest(self) -> ManifestView:
        return self.visit.ask(get_manifest, digest=self.digest)

    @cached_property
    def scan(self) -> ScanView:
        return self.visit.ask(show_scan) if self.tag else self.visit.ask(show_manifest_scan)

    @cached_property
    def address(self) -> str:
        """Host, port and repository."""
        return self.visit.told(self.tag.address if self.tag else self.visit.ask(show_repository).address)

    @property
    def _told(self) -> TagDetail | ManifestView:
        return self.tag or self.manifest

    @property
    def digest(self) -> str:
        return self._told.digest

    @property
    def kind(self) -> str:
        """`image`, `chart`, or "" for any other artifact."""
        return self._told.kind

    @property
    def media_type(self) -> str:
        return self._told.media_type

    @property
    def is_index(self) -> bool:
        return self.media_type in media.INDEXES

    @property
    def size(self) -> int:
        return self._told.size

    @property
    def platforms(self) -> Sequence[str]:
        return self._told.platforms

    @property
    def pushed_at(self) -> datetime:
        return self._told.pushed_at

    @property
    def pushed_by(self) -> str:
        return self._told.pushed_by

    # Where it is

    @property
    def name(self) -> str:
        """The tag, or the beginning of the digest."""
        return self.tag.tag if self.tag else self.digest[:_SHORT] + "…"

    @property
    def repository(self) -> str:
        """Inside its namespace."""
        return self.address.partition("/")[2].partition("/")[2]

    @property
    def reference(self) -> str:
        """What clients call it, wherever tags move."""
        return f"{self.address}@{self.digest}"

    @property
    def client(self) -> Client | None:
        """Whose commands are shown; None for what is shown by its digest."""
        return Client(self.visit, self.kind, self.address) if self.tag else None

    def path(self, *rest: str) -> str:
        """For `go`: its page, or one below it."""
        own = ("tags", self.tag.tag) if self.tag else ("manifests", self.digest)
        return here(self.visit, *own, *(one for one in rest if one))

    def home(self, *rest: str) -> str:
        """The same, for links."""
        return "/console" + self.path(*rest)

    def of_repository(self, *rest: str, **query: object) -> str:
        """For links: a page below its repository's."""
        parts = self.visit.parts
        place = ("instances", parts["instance"], "namespaces", parts["namespace"], "repositories", parts["repository"])
        return to(*place, *rest, **query)

    @property
    def tabs(self) -> list[tuple[str, str, bool]]:
        """Address, name, whether it is this page; without what there is nothing to show of."""
        last = self.visit.route.rpartition("/")[2]
        words = self.visit.words
        return [
            (self.home(page), words(name), last == page or (not page and last.startswith("{")))
            for page, name in _TABS
            if self._has(page)
        ]

    def _has(self, page: str) -> bool:
        if page == "acceleration" and (
            self.visit.instance.edition != "enterprise" or self.tag is None or self.tag.accelerated
        ):
            return False
        return (self.kind == "image" or page not in _OF_IMAGES) and (self.tag is not None or page not in _OF_TAGS)
