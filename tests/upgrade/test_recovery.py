"""R8 on AWS (moto in this process): tables are restored to a point, and the buckets are made to fit them.

A table that DynamoDB restores is a new one. moto's holds what the table holds at that moment: it is made at the point,
under the name that an operator gives it later.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import pytest
from click.testing import CliRunner, Result

from chalicelib.cli.commands import crs
from chalicelib.collection.recovery import Recovery
from chalicelib.collection.service import Fsck, Sweeper
from chalicelib.findings.service import Findings
from chalicelib.kernel.errors import UploadUnknown
from chalicelib.kernel.names import Digest, TagName
from chalicelib.ports import paths
from chalicelib.ports.aws.object_versions import S3ObjectVersions
from chalicelib.ports.aws.table import DynamoTable
from chalicelib.ports.objects import ObjectExists
from chalicelib.ports.stack import Stack
from chalicelib.ports.versioned import VersionedTable
from chalicelib.registry.rules import INLINE_LIMIT_BYTES
from chalicelib.registry.service import Registry
from chalicelib.repositories.service import Repositories
from chalicelib.scanning.models import Report
from chalicelib.scanning.reports import Reports
from chalicelib.scanning.results import Results
from tests.api.conftest import aws_stack
from tests.background import run_background
from tests.ports_aws.adapters import moto_clients
from tests.ports_aws.resources import create_bucket
from tests.recycling.bin import delete_tag
from tests.registry.images import NAME, image, push_blob, push_manifest
from tests.registry.library import DAY, Library, gone_for_good
from tests.stacks import FrozenClock, make_instance, make_namespace

pytestmark = pytest.mark.campaign

RESTORED, AUDIT = "restored", "restored-audit"
CUSTOMERS = "crs-customer-one"
LARGE = image(b"one", config=b"{}", annotations={"padding": "x" * INLINE_LIMIT_BYTES})
LATE = b"written after the point"

Content = dict[tuple[str, str], list[bytes]]


@dataclass(frozen=True)
class Past:
    """library: as it goes on. held: what every tag gave at the point. upload: one that was under way then."""

    library: Library
    held: Content
    upload: str

    @property
    def stack(self) -> Stack:
        return self.library.stack

    def restored(self, table: str = RESTORED) -> Library:
        """The service on the restored tables, at the moment that it is now."""
        client = moto_clients().dynamodb
        restored = VersionedTable(DynamoTable(client, table)), VersionedTable(DynamoTable(client, AUDIT))
        return replace(self.library, stack=replace(self.stack, table=restored[0], audit=restored[1]))

    @property
    def told(self) -> dict[str, str]:
        """The environment of a command."""
        settings = self.stack.settings
        return {
            "CRS_STACK": "aws",
            "CRS_REGION": settings.region,
            "CRS_SIGNING_KEY": str(settings.signing_key),
            "CRS_SECRET_KEY": str(settings.secret_key),
        }

    def recover(self, *arguments: str, table: str = RESTORED) -> Result:
        command = ["recover", "--table", table, "--audit-table", AUDIT, *arguments]
        return CliRunner().invoke(crs, command, env=self.told, input="y\n")


def content(library: Library) -> Content:
    """What a client gets that pulls each tag whole."""
    registry, caller, held = library.registry, library.owner, {}
    for repository in Repositories(library.stack).list(library.instance.id).items:
        name = repository.name
        for tag in registry.tags(caller, name).items:
            manifest = registry.pull(caller, name, TagName(tag)).body
            described = json.loads(manifest)
            digests = [Digest.parse(one["digest"]) for one in (described["config"], *described["layers"])]
            held[str(name), tag] = [manifest, *(read(registry, library, name, digest) for digest in digests)]
    return held


def read(registry: Registry, library: Library, name: object, digest: Digest) -> bytes:
    reading = registry.read_blob(registry.blob(library.owner, name, digest))  # type: ignore[arg-type]
    try:
        return b"".join(reading.chunks())
    finally:
        reading.close()


def keep_versions(bucket: str) -> None:
    moto_clients().s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def restore_table(source: str, target: str) -> None:
    moto_clients().dynamodb.restore_table_to_point_in_time(
        SourceTableName=source, TargetTableName=target, UseLatestRestorableTime=True
    )


def filled(stack: Stack, bucket: str) -> Past:
    """Images, one of them with a manifest too large for a row, and an upload that has begun."""
    instance = make_instance(stack, bucket=bucket)
    make_namespace(stack, instance)
    library = Library(stack, instance)
    scanned(library, library.push("v1", layers=(b"one", b"two")), "before")
    library.push("v2", layers=(b"two", b"three"))
    for data in (b"{}", b"one"):
        push_blob(library.registry, library.owner, data)
    push_manifest(library.registry, library.owner, LARGE, "large")
    upload = library.registry.start_upload(library.owner, NAME)
    writer = library.registry.resume(library.owner, NAME, upload.id, 0)
    writer.append(b"begun ")
    writer.keep()
    writer.close()
    return Past(library, content(library), upload.id)


def scanned(library: Library, digest: str, said: str) -> None:
    """What a scan leaves behind: a report that a row names, and a survey of a layer."""
    judged = ["engine", "database", "database_updated_at", "scanned_at"]
    report = Report.model_validate(
        {"digest": digest, "platform": said, "supported": False, "examined": 0, "end_of_life": False, "layers": ()}
        | {"inventory": {}, "findings": ()}
        | dict.fromkeys(judged, "")
    )
    Results(library.stack).store(library.instance, report)
    layer = paths.survey(library.instance.id, Digest.of(b"one"), 1)
    with suppress(ObjectExists):
        library.stack.objects(library.instance.bucket).put(layer, b"what it holds")


def report_of(library: Library) -> str:
    """What the row of the image that was scanned says of it, by its report."""
    (record,) = Findings(library.stack).all(library.instance.id)
    return Reports(library.stack).read(library.instance, record).platform


def go_on(past: Past) -> None:
    """Tags are deleted and moved, the upload ends, images come; then every deadline passes, so that the bytes of what
    was deleted are erased."""
    library, clock = past.library, past.stack.clock
    assert isinstance(clock, FrozenClock)
    writer = library.registry.resume(library.owner, NAME, past.upload, 6)
    writer.append(b"and ended")
    writer.finish(Digest.of(b"begun and ended"))
    writer.close()
    (record,) = Findings(library.stack).all(library.instance.id)
    scanned(library, record.digest, "after")
    delete_tag(library, "v1")
    delete_tag(library, "large")
    library.push("v2", layers=(LATE, b"one"))
    library.push("v3", layers=(LATE, b"more"))
    for days in (8, 2):
        clock.advance(days * DAY)
        Sweeper(past.stack).run()


@pytest.fixture(scope="module")
def past() -> Iterator[Past]:
    """A service that went on after a point to which its tables were restored. A recovery can be taken back: so each
    test begins with its own, and finds the buckets fitting whatever table the one before it asked for."""
    with aws_stack() as stack:
        create_bucket(moto_clients().s3, CUSTOMERS)
        keep_versions(CUSTOMERS)
        made = filled(stack, CUSTOMERS)
        for name in (RESTORED, "gone-on"):
            restore_table(stack.settings.table, name)
        restore_table(stack.settings.audit_table, AUDIT)
        go_on(made)
        yield made


@pytest.fixture
def gone(past: Past) -> Past:
    """The same, with the buckets as the service left them."""
    assert past.recover(table=past.stack.settings.table).exit_code == 0
    return past


def visible(past: Past) -> set[str]:
    return {found.key for found in past.stack.objects(CUSTOMERS).list(paths.blobs(past.library.instance.id)).items}


def test_a_restored_table_gets_every_byte_back_and_is_proved_clean(gone: Past) -> None:
    """R8. Without the recovery, it is not: so this test can fail."""
    library = gone.restored()
    assert {"lost", "leak"} <= {finding.kind for finding in Fsck(library.stack, deep=True).run()}
    done = gone.recover("--deep")
    assert done.exit_code == 0, done.output
    assert done.output.endswith("uploads under way ended\nclean\n")
    assert content(library) == gone.held
    assert report_of(library) == "before"
    assert list(Fsck(library.stack, deep=True).run()) == []


def test_the_service_goes_on_with_the_restored_tables(past: Past) -> None:
    """R8, R3. What was due since the point is done, what was pushed since is pushed again, and all can be deleted."""
    library = past.restored("gone-on")
    recovery = Recovery(library.stack, S3ObjectVersions(moto_clients().s3))
    assert {step.wrong for step in recovery.run()} == {""}
    recovery.end_uploads()
    run_background(library.stack)
    assert content(library) == past.held
    with pytest.raises(UploadUnknown):
        library.registry.resume(library.owner, NAME, past.upload, 6)
    library.push("v3", layers=(LATE, b"more"))
    assert content(library)[str(NAME), "v3"][2:] == [LATE, b"more"]
    for _, tag in content(library):
        delete_tag(library, tag)
    assert isinstance(library.stack.clock, FrozenClock)
    gone_for_good(library, library.stack.clock)


def test_a_recovery_can_be_taken_back(gone: Past) -> None:
    """R8. To the wrong point: the table that was in use has all of its objects again."""
    latest, objects = content(gone.library), visible(gone)
    assert gone.recover().exit_code == 0
    assert visible(gone) != objects
    back = gone.recover("--deep", table=gone.stack.settings.table)
    assert back.exit_code == 0, back.output
    assert (content(gone.library), visible(gone)) == (latest, objects)


def test_a_dry_run_and_a_changed_mind_change_nothing(gone: Past) -> None:
    before = visible(gone)
    dry = gone.recover("--dry-run")
    assert dry.exit_code == 0
    assert "objects shown again" in dry.output
    told = CliRunner().invoke(crs, ["recover", "--table", "restored"], env={"CRS_STACK": "aws"}, input="n\n")
    assert told.exit_code == 1
    assert visible(gone) == before


def test_an_interrupted_recovery_goes_on_where_it_stopped(gone: Past) -> None:
    """R8. A version a page: keys with two versions are on two pages."""
    versions = S3ObjectVersions(moto_clients().s3, page_versions=1)
    library = gone.restored()
    # It ends with the first deletion that it took back, wherever among the keys that was.
    last = next(step for step in Recovery(library.stack, versions).run() if step.shown)
    rest = list(Recovery(library.stack, versions).run(last.after))
    assert sum(step.shown for step in rest) > 0
    assert sum(step.shown for step in Recovery(library.stack, versions).run()) == 0
    Recovery(library.stack, versions).end_uploads()
    assert list(Fsck(library.stack, deep=True).run()) == []
    assert content(library) == gone.held


def test_a_strangers_objects_are_left_alone(gone: Past) -> None:
    """I2. In a bucket of their own, customers keep what they like."""
    instance, objects = gone.library.instance, gone.stack.objects(CUSTOMERS)
    theirs = {f"{instance.id}/blobs/notes/today", f"{instance.id}/notes", "elsewhere/blobs/A/B"}
    for key in theirs:
        objects.put(key, b"theirs")
    gone.recover()
    assert {found.key for found in objects.list("").items} >= theirs
    for key in theirs:
        objects.delete(key)


def test_a_bucket_that_cannot_be_brought_back_is_told_of(past: Past) -> None:
    """R8. The other instances are made whole all the same."""
    restore_table(RESTORED, "more")
    library = past.restored("more")
    for bucket in ("unversioned", "deleted"):
        make_instance(library.stack, bucket, bucket=f"crs-customer-{bucket}")
    create_bucket(moto_clients().s3, "crs-customer-unversioned")
    done = past.recover(table="more")
    assert done.exit_code == 1
    assert "default/unversioned  bucket crs-customer-unversioned keeps no versions" in done.output
    assert "default/deleted  bucket crs-customer-deleted is gone" in done.output
    assert content(library) == past.held


def test_a_restored_audit_table_proves_its_record_whole(past: Past) -> None:
    """R8, G4."""
    done = CliRunner().invoke(
        crs, ["audit", "verify"], env={**past.told, "CRS_TABLE": "restored", "CRS_AUDIT_TABLE": AUDIT}
    )
    assert done.exit_code == 0, done.output
