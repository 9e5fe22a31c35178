"""`crs recover`: makes the buckets on AWS fit a table that was restored to a point (docs/aws-backup.md)."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from chalicelib.kernel.errors import Invalid, Refused
from chalicelib.ports.stack import Stack, open_stack

from .settings import settings

if TYPE_CHECKING:
    from chalicelib.collection.recovery import Recovery, Step

_WARNING = """\
The service must not be running on table {table}, nor on any other that names the same buckets: objects that
{table} does not name are put away, and uploads under way are ended. Go on?"""


@click.command()
@click.option("--table", required=True, help="The restored table.")
@click.option("--audit-table", help="The restored audit table, if that was restored too.")
@click.option("--after", default="", help="Go on behind this object key, which an interrupted run told last.")
@click.option("--deep", is_flag=True, help="Also read and hash the bytes of every blob.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def recover(table: str, audit_table: str | None, after: str, deep: bool, dry_run: bool, yes: bool) -> None:
    """Make the buckets fit a table restored to a point, then prove all of it whole.

    Shows again what was deleted since, puts away what was written since, ends uploads that were under way. Nothing is
    removed for good, and it may be repeated. Exits with 1 if anything is wrong.
    """
    from chalicelib.collection.recovery import Recovery
    from chalicelib.ports.aws.clients import open_clients
    from chalicelib.ports.aws.object_versions import S3ObjectVersions

    chosen = settings()
    if chosen.stack != "aws":
        raise Invalid("CRS_STACK", "recovers tables of the stack `aws`; for a data folder there is `crs restore`")
    if not dry_run and not yes:
        click.confirm(_WARNING.format(table=table), abort=True)
    chosen = chosen.model_copy(update={"table": table, "audit_table": audit_table or chosen.audit_table})
    with open_stack(chosen) as stack, closing(open_clients()) as clients:
        recovery = Recovery(stack, S3ObjectVersions(clients.s3), dry=dry_run)
        wrong = _brought_back(recovery, after)
        ended = recovery.end_uploads()
        click.echo(f"{ended} uploads under way" + (" would end" if dry_run else " ended"))
        if not dry_run:
            wrong += _proved(stack, deep=deep)
    if wrong:
        raise SystemExit(1)


def _brought_back(recovery: Recovery, after: str) -> int:
    """Answers in how many instances that could not be done."""
    wrong = shown = hidden = 0
    for step in recovery.run(after):
        name = f"{step.instance.account_id}/{step.instance.name}"
        if step.wrong:
            click.echo(f"{name}  {step.wrong}")
            wrong += 1
            continue
        shown, hidden = shown + step.shown, hidden + step.hidden
        click.echo(f"{name}  {step.shown} shown again, {step.hidden} put away" + _place(step))
    click.echo(f"{shown} objects shown again, {hidden} put away")
    return wrong


def _place(step: Step) -> str:
    return f", up to {step.after}" if step.after else ""


def _proved(stack: Stack, *, deep: bool) -> int:
    """Answers the number of findings. An instance that cannot be looked into is one, and keeps nobody from the rest."""
    from chalicelib.collection.fsck import Fsck
    from chalicelib.instances.service import Instances

    found = 0
    fsck = Fsck(stack, deep=deep)
    for instance in Instances(stack).every():
        if instance.state == "releasing":
            continue
        try:
            for finding in fsck.look_into(instance):
                found += 1
                click.echo(f"{finding.kind}  {finding.subject}  {finding.message}")
        except Refused as refused:
            found += 1
            click.echo(f"lost  {instance.id}  {refused.message}")
    click.echo(f"{found} findings" if found else "clean")
    return found
