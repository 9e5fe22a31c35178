"""Tags as the API shows them: the row joined with what is known of its manifest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from chalicelib.findings.models import ScanRecord, ScanSummary
from chalicelib.findings.service import Findings
from chalicelib.immutability.service import Immutability
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.modelling import MADE
from chalicelib.kernel.moment import Moment, from_text
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.repositories.models import Repository

from .annotation import Annotations, kind_of
from .companions import companion_keys, companions_in, is_companion, shown
from .models import Acceleration, ManifestRecord, TagRecord


class View(BaseModel):
    model_config = MADE


class AccelerationState(View):
    """Of the accelerated version beside a tag.

    state    succeeded: it stands there; none: nobody asked for one, or it was deleted
    reason   why it failed, in one word; message: the same for people
    digest, size   of that version, size in bytes; "" and 0 while there is none
    task     that looks after it, while it is queued or running
    """

    state: Literal["none", "queued", "running", "succeeded", "failed"] = "none"
    reason: str = ""
    message: str = ""
    digest: str = ""
    size: int = 0
    task: str = ""

    @classmethod
    def of(cls, mark: Acceleration | None) -> AccelerationState:
        return cls(**mark.model_dump()) if mark else cls()


class TagView(View):
    """
    size       of all that a pull brings, in bytes; of an index all its platforms together
    platforms  `linux/amd64`, `linux/arm64/v8` …; empty for what runs on none, such as charts
    pulled_at  the last pull, at most a minute behind; null for never
    pulls      pulls by this tag's name or by its digest while the tag pointed there
    accelerated  it is the accelerated version of another tag; acceleration: the version beside this one
    immutable  a rule keeps it as it is: it is neither pushed with another digest nor deleted
    """

    tag: str
    digest: str
    media_type: str
    kind: Literal["image", "chart", ""]
    size: int
    platforms: tuple[str, ...]
    pushed_at: Moment
    pushed_by: str
    pulled_at: Moment | None
    pulls: int
    accelerated: bool
    immutable: bool
    scan: ScanSummary
    acceleration: AccelerationState


class PullCommand(View):
    tool: str
    command: str


class TagDetail(TagView):
    """address: what stands before the tag in every command; commands: ready to paste, by tool."""

    address: str
    commands: tuple[PullCommand, ...]


class TagViews:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._annotations = Annotations(stack)
        self._findings = Findings(stack)
        self._immutability = Immutability(stack)

    def rows(self, instance: Instance, repository: Repository, tags: Sequence[TagRecord]) -> tuple[TagView, ...]:
        """Of one repository. A batch read each of manifests with companions and of scans, and one read of the rules,
        whatever the page's length."""
        places = {tag.digest: keys.manifest(tag.repository_id, tag.digest) for tag in tags}
        marked = companion_keys(repository.id, [tag.name for tag in tags if tag.acceleration is not None])
        found = self._stack.table.get_many([*places.values(), *marked.values()])
        rows = {digest: found[place] for digest, place in places.items() if place in found}
        manifests = {digest: ManifestRecord.model_validate(row) for digest, row in rows.items()}
        companions = companions_in(found, marked)
        marks = {tag.name: shown(tag.acceleration, companions.get(tag.name)) for tag in tags}
        scans = self._findings.several(instance.id, [tag.digest for tag in tags])
        kept_by = self._immutability.told(repository.namespace_id, repository.name)
        return tuple(
            self._row(
                instance,
                tag,
                manifests.get(tag.digest),
                scans.get(tag.digest),
                marks[tag.name],
                bool(kept_by(tag.name)),
            )
            for tag in tags
        )

    def detail(self, instance: Instance, repository: Repository, tag: TagRecord) -> TagDetail:
        (row,) = self.rows(instance, repository, [tag])
        address = f"{Instances(self._stack).public_address(instance)}/{repository.name}"
        commands = pull_commands(row.kind, address, tag.name, plain_http=self._stack.settings.plain_http)
        return TagDetail(**row.model_dump(), address=address, commands=commands)

    def _row(
        self,
        instance: Instance,
        tag: TagRecord,
        manifest: ManifestRecord | None,
        scan: ScanRecord | None,
        mark: Acceleration | None,
        immutable: bool,
    ) -> TagView:
        summary = self._annotations.of(instance.id, manifest) if manifest else None
        return TagView(
            tag=tag.name,
            digest=tag.digest,
            media_type=tag.media_type,
            kind=kind_of(manifest) if manifest else "",
            size=summary.whole_size if summary else tag.size,
            platforms=summary.platforms if summary else (),
            pushed_at=from_text(tag.pushed_at),
            pushed_by=tag.pushed_by,
            pulled_at=_moment(tag.pulled_at),
            pulls=tag.pulls,
            accelerated=is_companion(tag),
            immutable=immutable,
            scan=ScanSummary.of(scan),
            acceleration=AccelerationState.of(mark),
        )


def pull_commands(kind: str, address: str, tag: str, *, plain_http: bool = False) -> tuple[PullCommand, ...]:
    """address: host, port and repository. plain_http: without TLS, which most clients have to be told."""
    plain, unverified = (" --plain-http", " --tls-verify=false") if plain_http else ("", "")
    oras = PullCommand(tool="oras", command=f"oras pull{plain} {address}:{tag}")
    if kind == "chart":
        # helm writes the `+` of a version as `_`, which no tag may hold, and turns it back by itself.
        version = tag.replace("_", "+")
        return (PullCommand(tool="helm", command=f"helm pull{plain} oci://{address} --version {version}"), oras)
    if kind == "":
        return (oras,)
    folder = address.rpartition("/")[2]
    source_unverified = " --src-tls-verify=false" if plain_http else ""
    insecure = " --insecure" if plain_http else ""
    unencrypted, from_plain = (" --insecure-registry", " --from-plain-http") if plain_http else ("", "")
    return (
        PullCommand(tool="docker", command=f"docker pull {address}:{tag}"),
        PullCommand(tool="podman", command=f"podman pull{unverified} {address}:{tag}"),
        PullCommand(
            tool="skopeo", command=f"skopeo copy{source_unverified} docker://{address}:{tag} oci:{folder}:{tag}"
        ),
        PullCommand(tool="crane", command=f"crane pull{insecure} {address}:{tag} {folder}.tar"),
        PullCommand(tool="nerdctl", command=f"nerdctl{unencrypted} pull {address}:{tag}"),
        PullCommand(tool="ctr", command=f"ctr images pull{plain} {address}:{tag}"),
        PullCommand(tool="oras", command=f"oras copy{from_plain} {address}:{tag} --to-oci-layout {folder}:{tag}"),
    )


def _moment(text: str) -> datetime | None:
    return from_text(text) if text else None
