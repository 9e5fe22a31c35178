"""`crs adopt`: what the CNCF distribution has stored becomes this service's. See docs/migration.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chalicelib.kernel.errors import Invalid
from chalicelib.ports.stack import Stack

from .settings import opened_stack

if TYPE_CHECKING:
    from chalicelib.migration.storage import Storage

_BUCKET = "s3://"


@click.command()
@click.argument("source")
@click.option("--account", default="default", show_default=True)
@click.option("--instance", "instance_name", default="default", show_default=True, help="Into which instance.")
@click.option("--namespace", "renamed", multiple=True, metavar="THERE=HERE", help="Another namespace; repeatable.")
@click.option("--home", default="library", show_default=True, help="Namespace of names that have one part.")
@click.option("--make-namespaces", is_flag=True, help="Make the namespaces that are missing.")
@click.option("--untagged", is_flag=True, help="Also manifests that no tag leads to.")
@click.option("--trust", is_flag=True, help="Do not read and hash each blob before it is taken.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def adopt(
    source: str,
    account: str,
    instance_name: str,
    renamed: tuple[str, ...],
    home: str,
    make_namespaces: bool,
    untagged: bool,
    trust: bool,
    dry_run: bool,
) -> None:
    """Take over what Docker's registry (the CNCF distribution) has stored, without its running.

    SOURCE is its rootdirectory, which holds docker/registry/v2, or s3://BUCKET/PREFIX. On one file system blobs are
    linked and take no room; on S3 the store copies them. Nothing of the source is changed, and nothing may be pushed to
    it meanwhile. A second run takes what is new. Exits with 1 if something could not be taken.
    """
    from chalicelib.instances.service import Instances
    from chalicelib.migration.adoption import Adoption, Manner

    manner = Manner(dict(_pair(text) for text in renamed), home, trusting=trust, untagged=untagged)
    with opened_stack() as stack, _opened(stack, source) as storage:
        instance = Instances(stack).named(account, instance_name)
        adoption = Adoption(stack, instance, storage, manner)
        if dry_run:
            for there, here in adoption.planned():
                click.echo(f"{there} -> {here}")
            return
        if make_namespaces:
            adoption.make_namespaces()
        verdicts: Counter[str] = Counter()
        for one in adoption.run():
            verdicts[one.outcome.verdict] += 1
            if one.outcome.verdict not in ("copied", "unchanged"):
                why = one.outcome.message or one.outcome.reason
                click.echo(f"{one.outcome.verdict}: {one.source} -> {one.target}: {why}")
    told = ", ".join(f"{number} {verdict}" for verdict, number in sorted(verdicts.items()))
    click.echo(told or "there is nothing to take")
    if set(verdicts) - {"copied", "unchanged"}:
        raise SystemExit(1)


def _pair(text: str) -> tuple[str, str]:
    there, equals, here = text.partition("=")
    if not (there and equals and here):
        raise Invalid("namespace", f"--namespace {text!r} is not of the form THERE=HERE")
    return there, here


@contextmanager
def _opened(stack: Stack, source: str) -> Iterator[Storage]:
    """Raises Invalid where there is no such storage."""
    from chalicelib.migration.storage import BucketStorage, FolderStorage

    if source.startswith(_BUCKET):
        bucket, _, prefix = source.removeprefix(_BUCKET).partition("/")
        if stack.settings.stack != "aws":
            raise Invalid("source", "buckets are taken over by the stack `aws`; here SOURCE is a folder")
        yield BucketStorage(stack.objects(bucket), bucket, f"{prefix.rstrip('/')}/" if prefix else "")
        return
    root = Path(source).resolve()
    if not (root / "docker/registry/v2/repositories").is_dir():
        raise Invalid("source", f"{source} holds no docker/registry/v2/repositories")
    if stack.settings.stack != "embedded":
        raise Invalid("source", "folders are taken over by the stack of one machine; here SOURCE is s3://BUCKET/PREFIX")
    from chalicelib.ports.embedded.stack import visited

    with visited(stack.settings, root) as bucket:
        yield FolderStorage(root, bucket)
