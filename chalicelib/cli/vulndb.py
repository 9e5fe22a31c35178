"""`crs vulndb`: which vulnerability database is in use, taking another one over, looking for a newer one at once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from chalicelib.kernel.errors import Invalid
from chalicelib.ports.stack import Stack

from .settings import opened_stack


@click.group()
def vulndb() -> None:
    """The vulnerability database that images are examined with. See docs/vulnerability-database.md."""


@vulndb.command()
def show() -> None:
    """Which one is in use, how old it is, and whether looking for a newer one went well."""
    with opened_stack() as stack:
        _show(stack)


@vulndb.command("import")
@click.argument("source")
@click.option("--force", is_flag=True, help="Though it is older, or much smaller, than the one in use.")
def import_database(source: str, force: bool) -> None:
    """Take over a database: a folder with trivy.db and metadata.json, a db.tar.gz, an OCI layout, or a reference.

    A layout with several is written FOLDER:TAG. A reference names its host: ghcr.io/aquasecurity/trivy-db:2
    """
    from chalicelib.scanning.database_import import DatabaseImport
    from chalicelib.scanning.database_sources import from_path, from_reference, with_login
    from chalicelib.scanning.databases import scratch

    with opened_stack() as stack, scratch(stack) as into:
        if _is_path(source):
            arrived = from_path(source, into)
        else:
            found = from_reference(source, with_login(stack), into)
            if found is None:
                raise Invalid("source", f"{source} has nothing that could be imported")
            arrived = found
        DatabaseImport(stack).take_over(arrived, force=force)
        _judge_again(stack)
        _show(stack)


@vulndb.command()
def check() -> None:
    """Look at once for a newer one, where CRS_VULNDB and CRS_VULNDB_SOURCE say."""
    from chalicelib.scanning.database_schedule import look

    with opened_stack() as stack:
        if stack.settings.vulndb is None and not stack.settings.vulndb_source:
            raise Invalid("CRS_VULNDB_SOURCE", "neither CRS_VULNDB nor CRS_VULNDB_SOURCE says where to look")
        result = look(stack, at_once=True)
        _judge_again(stack)
        _show(stack)
    if result.error:
        raise SystemExit(1)


def _is_path(source: str) -> bool:
    """What is there is meant, even if a registry could be called so too."""
    return Path(source).exists() or Path(source.rpartition(":")[0] or source).exists()


def _judge_again(stack: Stack) -> None:
    """The service that runs beside this command does it; one that does not run yet, after its start."""
    from chalicelib.chain import CHAIN
    from chalicelib.edge.consume import send
    from chalicelib.scanning.rescans import missing

    send(stack, missing(stack), CHAIN)


def _show(stack: Stack) -> None:
    from chalicelib.scanning import database_rules
    from chalicelib.scanning import database_store as store

    told = database_rules.seen(store.pointer(stack.table), store.check(stack.table), stack.clock.now())
    for name, value in told.model_dump().items():
        if name != "age_seconds" and value is not None:
            age = f"  ({_age(told.age_seconds or 0)} ago)" if name == "updated_at" else ""
            click.echo(f"{name:<13} {value}{age}")


def _age(seconds: int) -> str:
    age = timedelta(seconds=seconds)
    return f"{age.days} days" if age.days else f"{seconds // 3600} hours"
