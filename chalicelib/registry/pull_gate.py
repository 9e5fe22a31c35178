"""What a namespace's pull policy lets out of it: manifests, blobs, and what is copied elsewhere.

    manifest   an image is judged by its own scan, an index by its own and its children's; charts, signatures and other
               artifacts, which nothing runs, are not
    blob       goes out if some image of the repository that needs it does, or if none needs it: a layer whose manifest
               is still to be pushed, and what artifacts are made of

Where no policy holds, this costs nothing. Scans themselves read content without passing here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from chalicelib.kernel.errors import ManifestUnknown, PullBlocked
from chalicelib.kernel.names import Digest
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.pull_policies.models import Policy, Verdict
from chalicelib.pull_policies.service import PullPolicies
from chalicelib.repositories.models import Repository

from .bodies import Bodies
from .description import document, objects, runs, text
from .models import ManifestRecord, Pulled

# An index is judged by so many of its children; the record of the index itself sums up all of them.
MOST_CHILDREN: Final = 100
# Of manifests that need a blob the newest are looked at, page by page, until one may be pulled.
MANIFESTS_A_PAGE: Final = 100
MOST_PAGES: Final = 10
# Of manifests that are read for one request to find out which of them are images: anybody who pushes makes more.
MOST_READ_BYTES: Final = 8 * 1024 * 1024
# `{}`, the config of artifacts that have none: it says nothing, and everybody has it.
EMPTY: Final = Digest.of(b"{}")
_ANOTHER: Final = "pull an image that the policy lets go"


class PullGate:
    def __init__(self, stack: Stack) -> None:
        self._table = stack.table
        self._bodies = Bodies(stack)
        self._policies = PullPolicies(stack)

    def policy(self, repository: Repository) -> Policy | None:
        """The one that holds in its namespace. Raises Unavailable."""
        name, namespace_id = repository.name.namespace, repository.namespace_id
        return self._policies.in_force(repository.instance_id, name, namespace_id, repository.guarded)

    def require_manifest(self, policy: Policy, repository: Repository, pulled: Pulled) -> None:
        """Raises PullBlocked, Unavailable."""
        manifest = document(pulled.body)
        if not runs(pulled.media_type, manifest):
            return
        children = [text(child.get("digest")) for child in objects(manifest.get("manifests"))]
        judged = [child for child in dict.fromkeys(children) if Digest.fits(child)][:MOST_CHILDREN]
        _require(repository, self._policies.judge(policy, repository.instance_id, pulled.digest, judged))

    def require_image(self, policy: Policy, repository: Repository, digest: Digest) -> None:
        """Of an image that is not here, and so is judged by what is known of its digest. Raises PullBlocked,
        Unavailable."""
        _require(repository, self._policies.judge(policy, repository.instance_id, digest))

    def require_records(self, policy: Policy, repository: Repository, records: Iterable[ManifestRecord]) -> None:
        """Of what is about to be copied elsewhere. Raises PullBlocked, Unavailable, ManifestUnknown."""
        for record in records:
            body = self._bodies.of(repository.instance_id, record)
            self.require_manifest(policy, repository, Pulled(repository.id, record.digest, record.media_type, body))

    def require_blob(self, policy: Policy, repository: Repository, digest: Digest) -> None:
        """Raises PullBlocked where no image that needs it may be pulled, Unavailable."""
        if digest == EMPTY:
            return
        refused: Verdict | None = None
        left = MOST_READ_BYTES
        for needing in self._needing(repository, digest):
            verdicts = self._policies.verdicts(policy, repository.instance_id, needing)
            if any(one.allowed and one.scan != "none" for one in verdicts):
                return
            # An image that was never scanned and an artifact that never will be look alike here.
            unknown = [one.digest for one in verdicts if one.scan == "none"]
            images, left = self._judged(repository, unknown, left)
            unjudged = {*unknown} - images
            counting = [one for one in verdicts if one.digest not in unjudged]
            if any(one.allowed for one in counting):
                return
            if left < 0:
                why = "too much would have to be read to find an image that needs it and may be pulled"
                raise PullBlocked(repository.name, digest, why, _ANOTHER)
            refused = refused or next(iter(counting), None)
        if refused is not None:
            _require(repository, refused)

    def _needing(self, repository: Repository, digest: Digest) -> Iterator[list[str]]:
        """Digests of the repository's manifests that need the blob, the newest first, a page at a time. Raises
        PullBlocked where there are more than are looked at, and the caller has not found one that may be pulled."""
        partition = keys.blob_partition(repository.instance_id, digest)
        prefix = f"{keys.edge_prefix(repository.id)}MANIFEST#"
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            page = self._table.query(partition, prefix=prefix, cursor=cursor, limit=MANIFESTS_A_PAGE, descending=True)
            if page.items:
                yield list(dict.fromkeys(edge["manifest"] for edge in page.items))
            cursor = page.next
            if cursor is None:
                return
        why = f"none of the newest {MANIFESTS_A_PAGE * MOST_PAGES} manifests that need it may be pulled"
        raise PullBlocked(repository.name, digest, why, _ANOTHER)

    def _judged(self, repository: Repository, digests: Sequence[str], most: int) -> tuple[set[str], int]:
        """Those that are images, and how many bytes may still be read: below 0 there were more than may be. A manifest
        that is not there is none: about to be pushed, or gone."""
        wanted = {keys.manifest(repository.id, digest): digest for digest in digests}
        found = self._table.get_many(list(wanted)) if wanted else {}
        images: set[str] = set()
        for record in (ManifestRecord.model_validate(found[key]) for key in wanted if key in found):
            most -= record.size
            if most < 0:
                break
            if self._is_judged(repository, record):
                images.add(record.digest)
        return images, most

    def _is_judged(self, repository: Repository, record: ManifestRecord) -> bool:
        try:
            body = self._bodies.of(repository.instance_id, record)
        except ManifestUnknown:
            return False
        return runs(record.media_type, document(body))


def _require(repository: Repository, verdict: Verdict) -> None:
    if verdict.allowed:
        return
    if verdict.cause == "unscanned":
        state = f"{verdict.scan}, {verdict.reason}" if verdict.reason else verdict.scan
        why = f"not all of it was examined (scan: {state})"
        advice = "scan it, or have the policy let unscanned images be pulled"
    else:
        why = f"findings at or over {verdict.severity}: {_named(verdict.ids, verdict.count)}"
        advice = "pull an image in which they are fixed, or have them listed as exceptions of the policy"
    raise PullBlocked(
        repository.name,
        verdict.digest,
        why,
        advice,
        cause=verdict.cause,
        severity=verdict.severity,
        worst=verdict.worst,
        scan=verdict.scan,
        findings=list(verdict.ids),
        count=verdict.count,
    )


def _named(ids: Sequence[str], count: int) -> str:
    shown = ", ".join(ids[:3])
    more = count - len(ids[:3])
    if not shown:
        return "some that were counted and not named"
    return f"{shown} and {more} more" if more > 0 else shown
