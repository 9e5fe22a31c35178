"""What must be true after any schedule: nothing lost, nothing leaked, every promise kept."""

from __future__ import annotations

import contextlib

from chalicelib.collection.service import Fsck
from chalicelib.instances.service import Instances
from chalicelib.kernel import strict_json
from chalicelib.kernel.errors import InUse, NotFound, Refused
from chalicelib.kernel.names import Digest, RepositoryName, TagName
from chalicelib.ports import keys
from chalicelib.ports.objects import ObjectMissing
from chalicelib.registry.service import KINDS, Registry, Upkeep
from tests.registry.images import NAME, image, push_manifest

from .deeds import CONFIG, DAY_S, OTHER, RENEWED_S, Deed, World, stands

ROWS = ("MANIFEST#", "TAG#", "HOLD#", "LINK#", "REFERRER#")


def verdict(world: World, *, drain: bool = True) -> list[str]:
    """What is wrong, as text. Moves the clock: a minute, then beyond every deadline; `drain`: then deletes all."""
    wrong: list[str] = []
    world.handle_events()
    _sweep(world, 60)
    wrong += [f"soon: {f.kind} {f.message}" for f in Fsck(world.stack, deep=True).run() if f.kind == "lost"]
    wrong += _broken_uploads(world) + _broken_tags(world) + _broken_digests(world) + _broken_entries(world)
    _sweep(world, 8 * DAY_S)
    _sweep(world, 2 * DAY_S)
    wrong += [f"late: {f.kind} {f.message}" for f in Fsck(world.stack, deep=True).run()]
    wrong += _broken_tags(world) + _broken_digests(world)
    if drain and not wrong:
        wrong += _leftovers(world)
    world.forget()
    return world.broken + wrong


def _sweep(world: World, after_s: float) -> None:
    world.clock.advance(after_s)
    upkeep = Upkeep(world.stack)
    for _ in range(30):
        due = [(kind, row) for kind in KINDS for row in world.due(kind)]
        if not due:
            return
        for kind, row in due:
            upkeep.do(kind, row)
    world.broken.append(f"sweeping goes round in circles: {due[0][1]['sk']}")


# Tags


def _broken_tags(world: World) -> list[str]:
    wrong = []
    names = {(deed.name, tag) for deed in world.deeds for tag in deed.tags if deed.kind == "push"}
    for name, tag in sorted(names):
        row = world.stack.table.get(keys.tag(world.ids[name], tag))
        possible = _may_be(world, name, tag)
        found = row["digest"] if row else ""
        if found not in possible:
            wrong.append(f"tag {tag} is {found or 'gone'}, and may be {sorted(possible)}")
        elif found:
            wrong += _unreadable(world, name, tag)
    return wrong


def _may_be(world: World, name: RepositoryName, tag: str) -> set[str]:
    """Digests that the tag may point to, "" for none: of every deed that may have been the last on it."""
    deeds = [deed for deed in world.deeds if deed.name == name and deed.outcome != "refused" and _moves(deed, tag)]
    possible = {_moved_to(deed) for deed in deeds if not any(_overtakes(other, deed, tag) for other in deeds)}
    untouched = not any(deed.outcome == "acknowledged" and deed.kind == "push" for deed in deeds)
    return possible | {""} if untouched else possible


def _moves(deed: Deed, tag: str) -> bool:
    if deed.kind == "delete":
        return deed.reference == tag or ":" in deed.reference
    return deed.kind == "push" and tag in deed.tags


def _moved_to(deed: Deed) -> str:
    return deed.digest if deed.kind == "push" else ""


def _overtakes(later: Deed, earlier: Deed, tag: str) -> bool:
    """Whether `later` took effect for certain, and after all of `earlier`."""
    if later.outcome != "acknowledged" or earlier.end is None or later.begun < earlier.end or later is earlier:
        return False
    return later.kind == "push" or later.reference in (tag, _moved_to(earlier))


# What can be read


def _unreadable(world: World, name: RepositoryName, reference: str) -> list[str]:
    """Pulls as a client does: the manifest, then all it names."""
    registry = Registry(world.stack)
    wanted = Digest.parse(reference) if ":" in reference else TagName(reference)
    try:
        pulled = registry.pull(world.caller, name, wanted)
    except Refused as refusal:
        return [f"{reference} cannot be pulled: {refusal!r}"]
    if Digest.of(pulled.body) != pulled.digest:
        return [f"{reference} is not what was pushed"]
    document = strict_json.parse(pulled.body, "manifest")
    wrong = []
    for child in document.get("manifests", ()):
        wrong += _unreadable(world, name, child["digest"])
    for blob in [document["config"], *document["layers"]] if "config" in document else []:
        wrong += _unreadable_blob(world, name, Digest(blob["digest"]))
    return wrong


def _unreadable_blob(world: World, name: RepositoryName, digest: Digest) -> list[str]:
    registry = Registry(world.stack)
    try:
        reading = registry.read_blob(registry.blob(world.caller, name, digest))
    except (Refused, ObjectMissing) as missing:
        return [f"blob {digest} cannot be read: {missing!r}"]
    data = b"".join(reading.chunks())
    reading.close()
    return [] if Digest.of(data) == digest else [f"blob {digest} is not what was uploaded"]


def _broken_uploads(world: World) -> list[str]:
    wrong = []
    promised = {(deed.name, deed.body) for deed in world.deeds if deed.kind == "upload" and stands(world, deed)}
    for number, (name, data) in enumerate(sorted(promised)):
        wrong += _unreadable_blob(world, name, Digest.of(data))
        if (name, CONFIG) not in promised or wrong:
            continue
        body = image(data, annotations={"check": str(number)})
        try:
            push_manifest(Registry(world.stack), world.caller, body, f"check-{number}", name=name)
        except Refused as refusal:
            wrong.append(f"a manifest that names an uploaded blob is refused: {refusal!r}")
        check = Deed("push", next(world.moments), world.clock.now(), name, body, (f"check-{number}",))
        check.outcome, check.end = "acknowledged", next(world.moments)
        world.deeds.append(check)
    return wrong


def _broken_digests(world: World) -> list[str]:
    """A manifest that was pushed stays for the grace period at least, unless it was deleted by digest; one that never
    had a tag or an index stays for good."""
    wrong = []
    for deed in world.deeds:
        if deed.kind != "push" or deed.outcome != "acknowledged" or _deleted_since(world, deed):
            continue
        young = (world.clock.now() - deed.began_at).total_seconds() < 7 * DAY_S
        if young or not _ever_held(world, deed):
            wrong += _unreadable(world, deed.name, deed.digest)
    return wrong


def _deleted_since(world: World, push: Deed) -> bool:
    deletions = [deed for deed in world.deeds if deed.kind == "delete" and deed.outcome != "refused"]
    return any(
        deed.reference == push.digest and deed.name == push.name and (deed.end is None or deed.end > push.begun)
        for deed in deletions
    )


def _ever_held(world: World, push: Deed) -> bool:
    """Or may have gone with its subject."""
    if b'"subject"' in push.body:
        return True
    pushes = [deed for deed in world.deeds if deed.kind == "push" and deed.outcome != "refused"]
    return any((deed.tags and deed.body == push.body) or push.digest.encode() in deed.body for deed in pushes)


def _broken_entries(world: World) -> list[str]:
    """What is in the recycle bin can still be restored."""
    table = world.stack.table
    entries = table.query(keys.bin_partition(world.instance.id), limit=1000).items
    gone = [entry for entry in entries if table.get(keys.manifest(entry["repository_id"], entry["digest"])) is None]
    return [f"the bin holds {entry['name']}, but its content is gone" for entry in gone]


# What is left


def _overslept(world: World) -> bool:
    """Whether a request slept for a day: a link, set last, may then stay though its edge is gone."""
    return any(deed.ended_at and (deed.ended_at - deed.began_at).total_seconds() >= RENEWED_S for deed in world.deeds)


def _delete_all(world: World) -> None:
    for name in (NAME, OTHER):
        rows = world.stack.table.query(keys.repository_partition(world.ids[name]), prefix="MANIFEST#", limit=1000).items
        for row in rows:
            with contextlib.suppress(NotFound, InUse):
                Registry(world.stack).delete(world.caller, name, Digest(row["digest"]))


def _leftovers(world: World) -> list[str]:
    """Deletes everything; afterwards nothing may be left but names, history and events."""
    table = world.stack.table
    for _ in ("indexes", "what they held"):
        _delete_all(world)
        _sweep(world, 8 * DAY_S)
        _sweep(world, 2 * DAY_S)
    wrong = [f"emptied: {f.kind} {f.message}" for f in Fsck(world.stack, deep=True).run()]
    objects = world.stack.objects(world.instance.bucket).list(f"{world.instance.id}/blobs/").items
    wrong += [f"emptied: object {info.key} is left" for info in objects]
    used = Instances(world.stack).usage(world.instance).storage.used
    wrong += [f"emptied: {used} bytes are counted"] if used else []
    for name in (NAME, OTHER):
        for kind in ("MANIFEST#", "TAG#", "HOLD#", "REFERRER#") if _overslept(world) else ROWS:
            rows = table.query(keys.repository_partition(world.ids[name]), prefix=kind).items
            wrong += [f"emptied: {row['sk']} is left" for row in rows]
    return wrong
