"""`crs audit`: proving the audit record whole, and reading it as the operator."""

from __future__ import annotations

import click

from chalicelib.kernel.errors import Invalid

from .settings import opened_stack


@click.group()
def audit() -> None:
    """Who did what: the audit record of instances, accounts and the service."""


@audit.command()
@click.option("--account", "account_id", default=None, help="Of this account alone, or where the instance is.")
@click.option("--instance", "instance_name", default=None, help="Of this instance alone.")
@click.option("--seal", "known", default="", help="A seal's hash from the log, which must be among the seals.")
def verify(account_id: str | None, instance_name: str | None, known: str) -> None:
    """Prove that no entry was edited, added or removed since it was sealed. Exits with 1 where one was."""
    if known and instance_name is None and account_id is None:
        raise Invalid("seal", "say whose seal it is: --account or --instance")
    from .records import verdicts

    wrong = 0
    with opened_stack() as stack:
        for title, verdict in verdicts(stack, account_id, instance_name, known):
            if verdict.finding is not None:
                wrong += 1
                click.echo(f"TAMPERED  {title}  {verdict.finding.minute}  {verdict.finding.what}")
                continue
            told = f"{verdict.entries} entries in {verdict.minutes} minutes are as sealed"
            later = f", {verdict.unsealed} not sealed yet" if verdict.unsealed else ""
            click.echo(f"whole  {title}  {told}{later}" + (f"  last seal {verdict.last}" if verdict.last else ""))
    if wrong:
        raise SystemExit(1)


@audit.command()
@click.option("--account", "account_id", default=None, help="Of this account, or where the instance is.")
@click.option("--instance", "instance_name", default=None, help="Of this instance.")
@click.option("--keyword", default="", help="Only entries that hold this text.")
@click.option("--format", "kind", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
def export(account_id: str | None, instance_name: str | None, keyword: str, kind: str) -> None:
    """Print a record, newest first. Without --account and --instance: refusals of strangers that belong to nobody."""
    from .records import export_record

    with opened_stack() as stack:
        for piece in export_record(stack, account_id, instance_name, keyword, kind):
            click.echo(piece, nl=False)
