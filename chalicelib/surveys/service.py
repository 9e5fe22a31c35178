"""The door of the room: which layers an image has, what each holds, what they come to together.

    blob ─► read_layer ─► entry ─┬─► LayerInspector ─► inventory ─┐
                                 └─► ContentsWriter ─► contents ──┴─► objects named for the layer, read once for ever

Nothing is unpacked, and a layer that many images share is read for the first of them. What reads layers is imported by
whoever does: functions that only ask what an image is made of do without.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from chalicelib.edge.log import logger
from chalicelib.edge.metrics import count
from chalicelib.instances.models import Instance
from chalicelib.kernel import media
from chalicelib.kernel.errors import ManifestUnknown, Unavailable
from chalicelib.layers.entries import MIB, LayerRefused, Limits
from chalicelib.packages.models import ImageInventory, LayerInventory, LayerRef
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.registry import description
from chalicelib.registry.annotation import Annotations
from chalicelib.registry.bodies import Bodies
from chalicelib.registry.models import ManifestRecord

from . import store
from .models import ImageLayer, ImageLayers, ImageRefused

# A layer takes less than the claim of the step that reads it.
LIMITS: Final = Limits()
# An index lists one a platform; beyond this many it is none that anybody runs.
MOST_CHILDREN: Final = 100
_DEEPEST: Final = 2
# Linux takes 500 on top of each other.
MOST_LAYERS: Final = 1000
_NO_IMAGE: Final = "it holds no file system, so there is nothing to look into"
# Inventories that a process holds, and bytes of all of them: images of one run share their lowest layers.
_HELD: Final = 16
_MOST_HELD: Final = 16 * MIB
# Of an image's layers together, as they are kept: ten times what the largest images have.
MOST_TOLD: Final = 64 * MIB


class Surveys:
    """limits: of one layer."""

    def __init__(self, stack: Stack, limits: Limits = LIMITS) -> None:
        self._stack = stack
        self._limits = limits
        self._bodies = Bodies(stack)
        self._annotations = Annotations(stack)
        self._held: OrderedDict[tuple[str, str], store.Kept] = stack.keep("surveys", OrderedDict)

    def manifest_of(self, repository_id: str, digest: str) -> ManifestRecord:
        """Raises ManifestUnknown."""
        row = self._stack.table.get(keys.manifest(repository_id, digest))
        if row is None or row["state"] != "live":
            raise ManifestUnknown(digest)
        return ManifestRecord.model_validate(row)

    def layers_of(self, instance: Instance, repository_id: str, digest: str) -> ImageLayers:
        """Raises ManifestUnknown; ImageRefused for what is no image, has too many layers, or lacks one."""
        record = self.manifest_of(repository_id, digest)
        manifest = description.document(self._bodies.of(instance.id, record))
        described = description.objects(manifest.get("layers"))
        if record.media_type in media.INDEXES or not description.runs(record.media_type, manifest):
            raise ImageRefused("no_image", _NO_IMAGE)
        if len(described) > MOST_LAYERS:
            raise ImageRefused("too_large", f"it has {len(described)} layers; up to {MOST_LAYERS} are looked into")
        self._require_here(instance, described)
        config = description.document(self._annotations.config(instance.id, record) or b"")
        return ImageLayers(digest, description.platform(config), config, _layers(described, config))

    def images_of(self, instance: Instance, repository_id: str, digest: str) -> Mapping[str, str] | None:
        """Of an index: its images, digest → platform, in its order, those too that are not here; what it lists besides,
        such as attestations, is left out. None for an image by itself.

        Raises ManifestUnknown, ImageRefused for what holds no file system.
        """
        record = self.manifest_of(repository_id, digest)
        if record.media_type not in media.INDEXES:
            if not self._is_file_system(instance, record):
                raise ImageRefused("no_image", _NO_IMAGE)
            return None
        images = self._listed(instance, record, 1, set())
        if not 0 < len(images) <= MOST_CHILDREN:
            raise ImageRefused("no_image", f"it lists {len(images) or 'no'} images; up to {MOST_CHILDREN} are scanned")
        return images

    def _listed(self, instance: Instance, index: ManifestRecord, depth: int, seen: set[str]) -> dict[str, str]:
        """seen: what was looked at so far, at any depth, to which this adds."""
        manifest = description.document(self._bodies.of(instance.id, index))
        listed = [child for child in description.objects(manifest.get("manifests")) if not _attests(child)]
        seen.update(child["digest"] for child in listed)
        if len(seen) > MOST_CHILDREN or depth > _DEEPEST:
            raise ImageRefused("no_image", f"it lists more than {MOST_CHILDREN} images, or indexes inside each other")
        here = self._stack.table.get_many([keys.manifest(index.repository_id, child["digest"]) for child in listed])
        records = {row["digest"]: ManifestRecord.model_validate(row) for row in here.values() if row["state"] == "live"}
        images: dict[str, str] = {}
        for child in listed:
            record = records.get(child["digest"])
            if record is not None and record.media_type in media.INDEXES:
                images |= self._listed(instance, record, depth + 1, seen)
            elif record is None or self._is_file_system(instance, record):
                images[child["digest"]] = _platform(child)
        return images

    def _is_file_system(self, instance: Instance, record: ManifestRecord) -> bool:
        """Whether pulls of it are judged, too: what runs is looked into, whatever it calls itself."""
        return description.runs(record.media_type, description.document(self._bodies.of(instance.id, record)))

    def known(self, instance: Instance, layer: LayerRef) -> LayerInventory | None:
        """What is known of a layer without reading it. Raises LayerRefused where it was read in vain."""
        kept = self._kept(instance, layer)
        return None if kept is None else kept.inventory

    def _kept(self, instance: Instance, layer: LayerRef) -> store.Kept | None:
        key = (instance.id, layer.digest)
        held = self._held.get(key)
        if held is None:
            held = store.load(self._stack.objects(instance.bucket), instance.id, layer.digest)
        return held if held is None else self._hold(key, held)

    def survey(self, instance: Instance, layer: LayerRef) -> LayerInventory:
        """What a layer holds, read now if nobody has before.

        Raises LayerRefused with the reason, ImageRefused where the layer is not here, Unavailable.
        """
        return self._survey(instance, layer).inventory

    def _survey(self, instance: Instance, layer: LayerRef) -> store.Kept:
        return self._kept(instance, layer) or self._read(instance, layer)

    def contents(self, instance: Instance, layer: LayerRef) -> bytes:
        """The layer's files, for `layers.contents.read_contents`. Raises what `survey` raises."""
        objects = self._stack.objects(instance.bucket)
        for _ in range(2):
            self.survey(instance, layer)
            found = store.load_contents(objects, instance.id, layer.digest)
            if found is not None:
                return found
            # A survey without contents was left by somebody who deletes both.
            self.forget(instance, layer.digest)
        raise Unavailable

    def inventory(self, instance: Instance, image: ImageLayers) -> ImageInventory:
        """What the layers come to. Raises what `survey` raises, LayerRefused where together they tell of too much."""
        from chalicelib.packages.merging import merge

        found: dict[str, store.Kept] = {}
        for layer in image.layers:
            if layer.digest not in found:
                found[layer.digest] = self._survey(instance, layer.ref)
            if sum(kept.size for kept in found.values()) > MOST_TOLD:
                raise LayerRefused("too_large", "The image's layers tell of more packages than any image has.")
        return merge([(layer.ref, found[layer.digest].inventory) for layer in image.layers])

    def adopt(self, instance: Instance, source: str, converted: str) -> None:
        """What is kept of a layer stands for the same files in another form too, so that nobody reads those again."""
        if source == converted:
            return
        store.copy(self._stack.objects(instance.bucket), instance.bucket, instance.id, source, converted)
        if self._gone(instance, converted):
            self.forget(instance, converted)

    def forget(self, instance: Instance, layer: str) -> None:
        """Its bytes are gone, or what is kept of it is not whole."""
        self._held.pop((instance.id, layer), None)
        store.forget(self._stack.objects(instance.bucket), instance.id, layer)

    def _read(self, instance: Instance, layer: LayerRef) -> store.Kept:
        from chalicelib.layers.contents import ContentsWriter
        from chalicelib.layers.reading import read_layer
        from chalicelib.packages.inspection import LayerInspector

        reading = self._bodies.reading(instance.id, layer.digest)
        if reading is None:
            raise ImageRefused("missing_layer", f"layer {layer.digest} is not here")
        objects = self._stack.objects(instance.bucket)
        inspector, contents = LayerInspector(), ContentsWriter()
        try:
            for entry in read_layer(reading.chunks(), self._limits):
                contents.add(entry)
                inspector.look(entry)
        except LayerRefused as refused:
            logger.info("layer refused", instance_id=instance.id, digest=layer.digest, reason=refused.reason)
            count("layers_surveyed", result=refused.reason)
            # How long it takes is the machine's doing and not the layer's: another time it may be through.
            if refused.reason != "too_long":
                store.keep_refusal(objects, instance.id, layer.digest, refused)
            raise
        finally:
            reading.close()
        kept = store.keep(objects, instance.id, layer.digest, inspector.finish(), contents.finish())
        count("layers_surveyed", result="read")
        if self._gone(instance, layer.digest):
            self.forget(instance, layer.digest)
        return self._hold((instance.id, layer.digest), kept)

    def _gone(self, instance: Instance, layer: str) -> bool:
        """Whether its bytes were deleted while it was read: who deleted them has looked for a survey before."""
        head = self._stack.table.get(keys.head(instance.id, layer))
        return head is None or head["state"] == "D"

    def _hold(self, key: tuple[str, str], kept: store.Kept) -> store.Kept:
        if kept.size <= _MOST_HELD // _HELD:
            self._held[key] = kept
        while len(self._held) > _HELD:
            self._held.popitem(last=False)
        return kept

    def _require_here(self, instance: Instance, described: list[dict[str, Any]]) -> None:
        wanted = {keys.head(instance.id, layer["digest"]): layer for layer in described}
        heads = self._stack.table.get_many(list(wanted))
        for key, layer in wanted.items():
            head = heads.get(key)
            if head is not None and head["state"] != "D":
                continue
            if layer.get("mediaType") in media.FOREIGN_LAYERS or layer.get("urls"):
                raise ImageRefused("foreign_layer", f"layer {layer['digest']} is kept elsewhere by its author")
            raise ImageRefused("missing_layer", f"layer {layer['digest']} is not here")


def _layers(described: list[dict[str, Any]], config: Mapping[str, Any]) -> tuple[ImageLayer, ...]:
    diff_ids = description.texts(description.mapping(config.get("rootfs")).get("diff_ids"))
    fitting = diff_ids if len(diff_ids) == len(described) else ("",) * len(described)
    commands = description.commands(config, len(described))
    return tuple(
        ImageLayer(
            LayerRef(digest=layer["digest"], diff_id=diff_id),
            layer["size"],
            description.text(layer.get("mediaType")),
            command,
        )
        for layer, diff_id, command in zip(described, fitting, commands, strict=True)
    )


def _platform(child: Mapping[str, Any]) -> str:
    return description.platform(description.mapping(child.get("platform")))


def _attests(child: Mapping[str, Any]) -> bool:
    """buildkit lists what it attests of an image among the images, with this note."""
    return "vnd.docker.reference.type" in description.labels(child.get("annotations"))
