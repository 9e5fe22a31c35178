"""What there is to be seen of a scene, as lines of text without times and ids: two that are equal show the same.

Read straight from the table's file, past every port, so that nothing that stands there goes unseen.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from chalicelib.instances.models import Instance
from chalicelib.kernel import strict_json
from chalicelib.kernel.errors import Refused
from chalicelib.kernel.names import Digest, RepositoryName
from chalicelib.ports.embedded.items import decode
from chalicelib.ports.objects import ObjectMissing
from chalicelib.registry.service import Registry
from tests.registry.images import owner_of

from .scenes import Scene

Rows = dict[tuple[str, str], dict[str, Any]]
# What may stand in the table when everything was deleted and every deadline has passed.
LASTING: Final = re.compile(
    r"(INSTANCE#\w+ (INSTANCE|COUNT|USAGE#\d\d|ALLOWLIST|NAMESPACE#.*)|ADDRESS#.*|ACCOUNTS? .*|ACCOUNT#.*|INSTANCES .*"
    r"|BUCKET#.*|SERIES#.*|TASKS?#.*|CONVERSIONS#.*|SYNCRULES#.*|SYNCED#.*|POLICY#.*|WEBHOOKS?#.*)",
    re.DOTALL,
)
_EMPTIED: Final = ("repositories", "storage_bytes", "binned_bytes")
_SHORT: Final = 15


def rows_of(scene: Scene) -> Rows:
    found = scene.files.table.execute("SELECT pk, sk, body FROM items")
    return {(pk, sk): decode(body) for pk, sk, body in found}


@dataclass
class Picture:
    """lines   of what the instance holds; counted: of what grows with every request, and with every one alone"""

    lines: list[str] = field(default_factory=list)
    counted: list[str] = field(default_factory=list)

    def differences(self, other: Picture, *, counted: bool) -> list[str]:
        """What is to be seen there and not here, and the other way round."""
        mine, theirs = list(self.lines), list(other.lines)
        if counted:
            mine, theirs = mine + self.counted, theirs + other.counted
        missing = [f"there should be: {line}" for line in _without(theirs, mine)]
        return missing + [f"there should not be: {line}" for line in _without(mine, theirs)]


def _without(lines: list[str], others: list[str]) -> list[str]:
    left = list(others)
    found = []
    for line in lines:
        if line in left:
            left.remove(line)
        else:
            found.append(line)
    return found


def picture(scene: Scene, instance: Instance | None = None) -> Picture:
    """Of the scene's instance, or of the one given."""
    of = instance or scene.instance
    drawing = _Drawing(rows_of(scene), of.id)
    for key, row in sorted(drawing.rows.items()):
        drawing.draw(key, row)
    drawing.count()
    return drawing.finished


def tags_of(scene: Scene) -> dict[tuple[str, str], str]:
    """(repository, tag) → digest, of every tag that can be pulled."""
    rows = rows_of(scene)
    return {
        (name, row["name"]): row["digest"]
        for name, repository_id in _visible(rows, scene.instance.id)
        for (pk, sk), row in rows.items()
        if pk == f"REPO#{repository_id}" and sk.startswith("TAG#")
    }


def _visible(rows: Rows, instance_id: str) -> Iterator[tuple[str, str]]:
    """(name, id) of the repositories that can be reached by name."""
    partition = f"INSTANCE#{instance_id}"
    for (pk, sk), row in rows.items():
        if pk == partition and sk.startswith("REPOSITORY#"):
            namespace = rows.get((partition, f"NAMESPACE#{row['name'].partition('/')[0]}"))
            if namespace is not None and "deletion" not in namespace and "restoration" not in namespace:
                yield row["name"], row["id"]


class _Drawing:
    """Rows of one instance, each as a line."""

    def __init__(self, rows: Rows, instance_id: str) -> None:
        self.finished = Picture()
        self._instance = instance_id
        self._namespaces: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._webhooks: set[str] = set()
        for (pk, sk), row in rows.items():
            state = row.get("state", "live")
            # What is being purged nobody can see; that it is gone in the end is looked at when all is taken down.
            if sk == "REPOSITORY" and row["instance_id"] == instance_id and state != "purging":
                self._names[pk] = row["name"] if state == "live" else f"{row['name']} ({state})"
            elif sk.startswith("NAMESPACE#") and pk == f"INSTANCE#{instance_id}":
                self._namespaces[f"POLICY#{row['id']}"] = row["name"]
            elif sk.startswith("WEBHOOK#") and pk == f"WEBHOOKS#{instance_id}":
                self._webhooks.add(sk)
            elif sk.startswith("ENTRY#") and pk == f"BIN#{instance_id}" and row["kind"] == "namespace":
                self._namespaces[f"POLICY#{row['record']['id']}"] = f"{row['name']} (binned)"
        self.rows = {key: row for key, row in rows.items() if self._ours(key[0])}
        self._counters: dict[str, int] = defaultdict(int)
        self._order: dict[str, int] = defaultdict(int)

    def _ours(self, pk: str) -> bool:
        return pk.endswith(f"#{self._instance}") or pk in self._names or pk in self._namespaces or pk in self._webhooks

    def draw(self, key: tuple[str, str], row: dict[str, Any]) -> None:
        pk, sk = key
        kind = "" if pk.startswith(("CONVERSIONS#", "SYNCRULES#")) else sk.partition("#")[0]
        if drawn := _LINES.get(kind):
            where = self._names.get(pk) or self._namespaces.get(pk, "")
            self.finished.lines.append(drawn(where, row))
        elif kind == "HISTORY":
            tag = f"{self._names[pk]}:{sk.split('#')[1]}"
            self._order[tag] += 1
            moved = f"{row['previous'][:_SHORT]} to {row['digest'][:_SHORT]}"
            self.finished.lines.append(f"history {self._order[tag]} of {tag}: {moved}")
        elif kind in ("COUNT", "USAGE"):
            for name, value in row.items():
                if isinstance(value, int) and name != "schema_version":
                    self._counters[name] += value
        elif kind == "TASK":
            counts = dict(sorted((row.get("counts") or {}).items()))
            self.finished.counted.append(f"task {row['kind']} {row['state']} {row['done']} of {row['total']} {counts}")
        elif kind == "DELIVERY":
            self.finished.counted.append(f"told {row['type']} {row['subject']} {row['state']}")
        elif kind == "HOUR":
            self._counters["pushes counted"] += row.get("pushes", 0)

    def count(self) -> None:
        pushes = self._counters.pop("pushes counted", 0)
        self.finished.counted.append(f"pushes {pushes}")
        self.finished.lines += [f"{name} {value}" for name, value in sorted(self._counters.items()) if value]


def _bin_entry(where: str, row: dict[str, Any]) -> str:
    tags = ",".join(sorted(str(tag["name"]) for tag in row["tags"]))
    name = row["name"][:_SHORT] if ":" in row["name"] else row["name"]
    return f"bin {row['kind']} {row['repository']} {name} [{tags}] {row['size']} bytes, whole {row['whole']}"


_LINES: dict[str, Callable[[str, dict[str, Any]], str]] = {
    "NAMESPACE": lambda where, row: f"namespace {row['name']} {row.get('deletion', '') and 'leaving'}",
    "TAG": lambda where, row: f"tag {where}:{row['name']} {row['digest'][:_SHORT]}",
    "MANIFEST": lambda where, row: f"manifest {where}@{row['digest'][:_SHORT]} {row['state']}",
    "REFERRER": lambda where, row: f"referrer {where}@{row['digest'][:_SHORT]}",
    "REPOSITORY": lambda where, row: f"repository {row['name']} {where and 'by id'} {row.get('visibility', '')}",
    "ENTRY": _bin_entry,
    "PART": _bin_entry,
    "IMMUTABLE": lambda where, row: f"policy {where} {[rule['id'] for rule in row['rules']]}",
    "RETENTION": lambda where, row: f"retention of {where}: {len(row['rules'])} rules, version {row['version']}",
    "RUN": lambda where, row: f"retention ran in {where}, dry {row['dry_run']}, by {row['trigger']}",
}


# What can be pulled


def unreadable(scene: Scene, instance: Instance | None = None) -> list[str]:
    """Pulls every tag of the instance as a client does: the manifest, then all it names. Answers what is wrong."""
    rows = rows_of(scene)
    reader = _Reader(scene, instance or scene.instance, rows)
    for name, repository_id in _visible(rows, reader.instance.id):
        for (pk, sk), row in rows.items():
            if pk == f"REPO#{repository_id}" and sk.startswith("TAG#"):
                reader.read(RepositoryName(name), row["digest"], f"{name}:{row['name']}")
    return reader.wrong


class _Reader:
    """Reads each thing once."""

    def __init__(self, scene: Scene, instance: Instance, rows: Rows) -> None:
        self.instance = instance
        self._rows = rows
        self._caller = owner_of(instance)
        self._registry = Registry(scene.stack)
        self._seen: set[tuple[str, str]] = set()
        self.wrong: list[str] = []

    def read(self, name: RepositoryName, digest: str, where: str) -> None:
        if (name, digest) in self._seen:
            return
        self._seen.add((name, digest))
        try:
            pulled = self._registry.pull(self._caller, name, Digest.parse(digest))
        except Refused as refusal:
            self.wrong.append(f"{where} {digest[:_SHORT]} cannot be pulled: {refusal!r}")
            return
        if Digest.of(pulled.body) != pulled.digest:
            self.wrong.append(f"{where} {digest[:_SHORT]} is not what was pushed")
        document = strict_json.parse(pulled.body, "manifest")
        for child in document.get("manifests", ()):
            if not self._may_miss(name, child["digest"]):
                self.read(name, child["digest"], where)
        for blob in [document["config"], *document["layers"]] if "config" in document else []:
            self._read_blob(name, blob["digest"], where)

    def _may_miss(self, name: RepositoryName, child: str) -> bool:
        """Whether it is not here, in a namespace that allows indexes of such."""
        row = self._rows[(f"INSTANCE#{self.instance.id}", f"REPOSITORY#{name}")]
        namespace = self._rows[(f"INSTANCE#{self.instance.id}", f"NAMESPACE#{name.namespace}")]
        manifest = self._rows.get((f"REPO#{row['id']}", f"MANIFEST#{child}"), {"state": "missing"})
        return bool(namespace["allow_sparse_indexes"]) and manifest["state"] != "live"

    def _read_blob(self, name: RepositoryName, digest: str, where: str) -> None:
        if (name, digest) in self._seen:
            return
        self._seen.add((name, digest))
        try:
            reading = self._registry.read_blob(self._registry.blob(self._caller, name, Digest(digest)))
        except (Refused, ObjectMissing) as missing:
            self.wrong.append(f"{where}: blob {digest[:_SHORT]} cannot be read: {missing!r}")
            return
        with contextlib.closing(reading):
            data = b"".join(reading.chunks())
        if Digest.of(data) != digest:
            self.wrong.append(f"{where}: blob {digest[:_SHORT]} is not what was uploaded")


# What is left


def residue(scene: Scene) -> list[str]:
    """What stands in the table and in the buckets though all content was deleted and every deadline has passed."""
    rows = rows_of(scene)
    neighbours = _Drawing(rows, scene.neighbour.id).rows
    policies = {f"POLICY#{row['id']}" for (_, sk), row in rows.items() if sk.startswith("NAMESPACE#")}
    left = []
    counters: Counter[str] = Counter()
    for (pk, sk), row in rows.items():
        if (pk, sk) in neighbours or scene.neighbour.id in pk or row.get("instance_id") == scene.neighbour.id:
            continue
        if not LASTING.fullmatch(f"{pk} {sk}") or (pk.startswith("POLICY#") and pk not in policies):
            left.append(f"emptied: the row {pk} {sk} is left")
        if sk.startswith(("COUNT", "USAGE")):
            counters.update({name: value for name, value in row.items() if isinstance(value, int)})
    left += [f"emptied: {value} {name} are counted" for name, value in counters.items() if value and name in _EMPTIED]
    found = scene.stack.objects(scene.instance.bucket).list(f"{scene.instance.id}/").items
    return left + [f"emptied: the object {info.key} is left" for info in found]
