"""One manifest as the API shows it: what it holds, how it was made, what points to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import Field

from chalicelib.instances.models import Instance
from chalicelib.kernel import media
from chalicelib.kernel.errors import ManifestUnknown, NotFound
from chalicelib.kernel.moment import Moment, from_text
from chalicelib.kernel.names import Digest
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.repositories.models import Repository

from . import description, store
from .annotation import Annotations, kind_of
from .bodies import Bodies
from .models import ManifestRecord
from .tag_views import View

# Of each list in the answer; `more` says that there are others. The registry's own lists have all of them, paged.
MOST_LISTED: Final = 100

ConfigState = Literal["shown", "none", "missing", "malformed"]


class ConfigView(View):
    """How a container of the image starts. Texts are what the image's author wrote."""

    os: str = ""
    architecture: str = ""
    variant: str = ""
    created: Moment | None = None
    author: str = ""
    user: str = ""
    working_dir: str = ""
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()


class LayerView(View):
    """command: what made it, as the build noted it; "" where the image does not say."""

    digest: str
    size: int
    media_type: str
    command: str = ""


class ChildView(View):
    """One manifest of an index. present: whether the repository holds it; content_size: of its layers, if so."""

    digest: str
    size: int
    media_type: str
    platform: str
    annotations: dict[str, str]
    present: bool
    content_size: int | None


class ReferrerView(View):
    """A signature, an SBOM or another artifact about this manifest."""

    digest: str
    size: int
    media_type: str
    artifact_type: str
    annotations: dict[str, str]


class ManifestView(View):
    """
    size           of all that a pull brings, in bytes; manifest_size: of the manifest itself
    config         of an image; config_state says why there is none: `none` for what is no image, `missing` where the
                   config is not here or has more than 4 MiB, `malformed` where it is not what a config should be
    layers         lowest first
    children       of an index, in its order
    tags, referrers   at most 100 each; `more_tags`, `more_referrers`: there are others
    """

    digest: str
    media_type: str
    artifact_type: str
    kind: Literal["image", "chart", ""]
    size: int
    manifest_size: int
    platforms: tuple[str, ...]
    pushed_at: Moment
    pushed_by: str
    subject: str
    annotations: dict[str, str]
    config: ConfigView | None
    config_state: ConfigState
    config_digest: str
    layers: tuple[LayerView, ...]
    children: tuple[ChildView, ...]
    tags: tuple[str, ...]
    more_tags: bool
    referrers: tuple[ReferrerView, ...]
    more_referrers: bool


class ManifestViews:
    def __init__(self, stack: Stack) -> None:
        self._table = stack.table
        self._bodies = Bodies(stack)
        self._annotations = Annotations(stack)

    def of(self, instance: Instance, repository: Repository, digest: Digest) -> ManifestView:
        """Raises NotFound."""
        record = store.manifest(self._table, repository.id, digest)
        if record is None or record.state != "live":
            raise NotFound("there is no such manifest")
        try:
            document = description.document(self._bodies.of(instance.id, record))
        except ManifestUnknown:
            raise NotFound("there is no such manifest") from None
        summary = self._annotations.of(instance.id, record)
        config, config_state = self._config(instance, record)
        tags, more_tags = self._tags(record)
        referrers, more_referrers = self._referrers(instance, record)
        return ManifestView(
            digest=digest,
            media_type=record.media_type,
            artifact_type=record.artifact_type,
            kind=kind_of(record),
            size=summary.whole_size,
            manifest_size=record.size,
            platforms=summary.platforms,
            pushed_at=from_text(record.pushed_at),
            pushed_by=record.pushed_by,
            subject=record.subject,
            annotations=description.labels(document.get("annotations")),
            config=_config_view(config) if config_state == "shown" else None,
            config_state=config_state,
            config_digest=description.text(description.mapping(document.get("config")).get("digest")),
            layers=_layers(document, config),
            children=self._children(record, document),
            tags=tags,
            more_tags=more_tags,
            referrers=referrers,
            more_referrers=more_referrers,
        )

    def _config(self, instance: Instance, record: ManifestRecord) -> tuple[dict[str, Any], ConfigState]:
        if record.media_type in media.INDEXES or record.artifact_type not in media.IMAGE_CONFIGS:
            return {}, "none"
        data = self._annotations.config(instance.id, record)
        if data is None:
            return {}, "missing"
        config = description.document(data)
        return config, "shown" if config else "malformed"

    def _tags(self, record: ManifestRecord) -> tuple[tuple[str, ...], bool]:
        """Each tag that points here has a hold on it."""
        prefix = keys.hold_prefix(record.digest, "TAG")
        page = self._table.query(keys.repository_partition(record.repository_id), prefix=prefix, limit=MOST_LISTED)
        return tuple(hold["owner"] for hold in page.items), page.next is not None

    def _referrers(self, instance: Instance, record: ManifestRecord) -> tuple[tuple[ReferrerView, ...], bool]:
        prefix = keys.referrer_prefix(record.digest)
        page = self._table.query(keys.repository_partition(record.repository_id), prefix=prefix, limit=MOST_LISTED)
        found = tuple(
            ReferrerView(
                digest=item["digest"],
                size=item["size"],
                media_type=item["media_type"],
                artifact_type=item["artifact_type"],
                annotations=self._annotations_of(instance, record.repository_id, item),
            )
            for item in page.items
        )
        return found, page.next is not None

    def _annotations_of(self, instance: Instance, repository_id: str, referrer: Mapping[str, Any]) -> dict[str, str]:
        """The row has those that are not too long; the manifest itself has them all."""
        if referrer["annotations"] is not None:
            return description.labels(referrer["annotations"])
        record = store.manifest(self._table, repository_id, referrer["digest"])
        try:
            body = self._bodies.of(instance.id, record) if record else b""
        except ManifestUnknown:
            body = b""
        return description.labels(description.document(body).get("annotations"))

    def _children(self, record: ManifestRecord, document: Mapping[str, Any]) -> tuple[ChildView, ...]:
        if record.media_type not in media.INDEXES:
            return ()
        listed = description.objects(document.get("manifests"))
        # Rows may hold 16 KB of body each: those of a very long index are not all read.
        wanted = [keys.manifest(record.repository_id, child) for child in record.children[:MOST_LISTED]]
        rows = {row["digest"]: row for row in self._table.get_many(wanted).values() if row["state"] == "live"}
        return tuple(_child(child, rows) for child in listed[:MOST_LISTED])


def _child(child: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]]) -> ChildView:
    digest = description.text(child.get("digest"))
    row = rows.get(digest)
    return ChildView(
        digest=digest,
        size=child["size"],
        media_type=description.text(child.get("mediaType")),
        platform=description.platform(description.mapping(child.get("platform"))),
        annotations=description.labels(child.get("annotations")),
        present=row is not None,
        content_size=row["content_size"] if row else None,
    )


def _layers(document: Mapping[str, Any], config: Mapping[str, Any]) -> tuple[LayerView, ...]:
    layers = description.objects(document.get("layers"))
    return tuple(
        LayerView(
            digest=description.text(layer.get("digest")),
            size=layer["size"],
            media_type=description.text(layer.get("mediaType")),
            command=command,
        )
        for layer, command in zip(layers, description.commands(config, len(layers)), strict=True)
    )


def _config_view(config: Mapping[str, Any]) -> ConfigView:
    runs = description.mapping(config.get("config"))
    return ConfigView(
        os=description.text(config.get("os")),
        architecture=description.text(config.get("architecture")),
        variant=description.text(config.get("variant")),
        created=description.moment(config.get("created")),
        author=description.text(config.get("author")),
        user=description.text(runs.get("User")),
        working_dir=description.text(runs.get("WorkingDir")),
        entrypoint=description.texts(runs.get("Entrypoint")),
        cmd=description.texts(runs.get("Cmd")),
        env=description.texts(runs.get("Env")),
        labels=description.labels(runs.get("Labels")),
        exposed_ports=tuple(description.text(port) for port in description.mapping(runs.get("ExposedPorts"))),
        volumes=tuple(description.text(path) for path in description.mapping(runs.get("Volumes"))),
    )
