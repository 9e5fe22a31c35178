"""Summaries of manifests on their rows, so that a list reads rows and no configs.

    event of a push ─► annotate ─┐
    list, before the event came ─┴─► look into config or index ─► MANIFEST platforms, whole_size, chart
                                                                           if it is this life of it still

What was looked at is content, which never changes: doing it twice, late, or in two places writes the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from chalicelib.kernel import media
from chalicelib.kernel.errors import ManifestUnknown, NotFound
from chalicelib.kernel.messages import ImagePushed
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import ConditionFailed, Update, equals
from chalicelib.repositories.service import Repositories

from . import store
from .bodies import Bodies
from .chart_facts import chart_facts
from .description import document, is_image, mapping, platform, platforms_of_index, text
from .models import ManifestRecord
from .rules import MOST_CONTENT_BYTES

# Real configs have a few KB; larger ones are not read, and their platforms stay unknown.
CONFIG_LIMIT_BYTES: Final = 4 * 1024 * 1024
# An index sums up so many of its children: their rows may hold 16 KB of body each.
MOST_CHILDREN: Final = 100


@dataclass(frozen=True, slots=True)
class Summary:
    """chart: as of `ManifestRecord`; "" for what is none."""

    platforms: tuple[str, ...]
    whole_size: int
    chart: str = ""


class Annotations:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._table = stack.table
        self._bodies = Bodies(stack)
        self._repositories = Repositories(stack)

    def of(self, instance_id: str, record: ManifestRecord) -> Summary:
        """From the row, or looked up and remembered there."""
        is_chart = kind_of(record) == "chart"
        if record.platforms is not None and (record.chart is not None or not is_chart):
            return Summary(record.platforms, record.whole_size or 0, record.chart or "")
        try:
            summary = self._look(instance_id, record)
        except ManifestUnknown:
            return Summary((), record.content_size)
        change: dict[str, Any] = {"platforms": list(summary.platforms), "whole_size": summary.whole_size}
        if is_chart:
            change["chart"] = summary.chart
        same_life = equals("incarnation", record.incarnation)
        key = keys.manifest(record.repository_id, record.digest)
        try:
            self._table.update(Update(key, set=change, when=same_life), relaxed=True)
        except ConditionFailed:
            return summary  # It went meanwhile, and took what was to be noted along.
        return summary

    def annotate(self, pushed: ImagePushed) -> None:
        """What follows from a push, at once or later, once or several times: the manifest's summary, its tags' size,
        and what kind of repository it made."""
        record = store.manifest(self._table, pushed.repository_id, pushed.digest)
        if record is None:
            return
        summary = self.of(pushed.instance_id, record)
        if summary.whole_size != record.content_size:
            self._correct_sizes(pushed.repository_id, pushed.tags, pushed.incarnation, summary.whole_size)
        kind = kind_of(record)
        if kind:
            try:
                self._repositories.mark_kind(self._repositories.by_id(pushed.repository_id), kind)
            except NotFound:
                return  # Deleted meanwhile.

    def _correct_sizes(self, repository: str, tags: Iterable[str], push: str, size: int) -> None:
        """A tag was written with what its manifest says; for an index that is only what its children's bodies have."""
        for name in tags:
            change = Update(keys.tag(repository, name), set={"size": size}, when=equals("push", push))
            try:
                self._table.update(change, relaxed=True)
            except ConditionFailed:
                continue  # Pushed again, or deleted.

    def _look(self, instance_id: str, record: ManifestRecord) -> Summary:
        if record.media_type in media.INDEXES:
            platforms = platforms_of_index(document(self._bodies.of(instance_id, record)))
            return Summary(platforms, self.size_of(record))
        is_chart = kind_of(record) == "chart"
        if not is_chart and not is_image(record.media_type, record.artifact_type):
            return Summary((), record.content_size)
        if is_chart:
            return Summary((), record.content_size, self._chart(instance_id, record))
        config = self.config(instance_id, record)
        found = platform(document(config)) if config is not None else ""
        return Summary((found,) if found else (), record.content_size)

    def size_of(self, record: ManifestRecord) -> int:
        """Of all that its pull brings, in bytes, by the rows of its children."""
        # Indexes that list the same ones again and again multiply what nobody ever pulls.
        return min(record.content_size + self._size_of_children(record), MOST_CONTENT_BYTES)

    def config(self, instance_id: str, record: ManifestRecord) -> bytes | None:
        """The config's bytes; None where they are not here or too many. Raises ManifestUnknown."""
        manifest = document(self._bodies.of(instance_id, record))
        digest = text(mapping(manifest.get("config")).get("digest"))
        return self._bodies.blob(instance_id, digest, CONFIG_LIMIT_BYTES)

    def _chart(self, instance_id: str, record: ManifestRecord) -> str:
        """The index tells everybody of it who may pull the chart: so its config has to be the repository's own. Where
        sparse content is allowed a manifest may name what another one holds."""
        manifest = document(self._bodies.of(instance_id, record))
        digest = text(mapping(manifest.get("config")).get("digest"))
        if self._table.get(keys.link(record.repository_id, digest)) is None:
            return ""
        return chart_facts(self._bodies.blob(instance_id, digest, CONFIG_LIMIT_BYTES) or b"")

    def _size_of_children(self, record: ManifestRecord) -> int:
        wanted = [keys.manifest(record.repository_id, child) for child in record.children[:MOST_CHILDREN]]
        found = self._table.get_many(wanted).values()
        return sum(int(item.get("whole_size") or item["content_size"]) for item in found)


def kind_of(record: ManifestRecord) -> Literal["image", "chart", ""]:
    """What a repository holds that this was pushed into; "" for other artifacts, such as signatures."""
    if record.artifact_type == media.HELM_CONFIG:
        return "chart"
    return "image" if is_image(record.media_type, record.artifact_type) else ""
