"""The commands, one line of help each. Those that need a stack work beside a running service on its data folder."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from .adopt import adopt
from .audits import audit
from .dead_letters import dead_letters
from .init import init
from .migrate import migrate
from .people import account, password_from_stdin, user
from .programs import credential_helper, kubelet_credential_provider, login_programs
from .recover import recover
from .settings import Refusing, one_machine, opened_stack, settings
from .vulndb import vulndb

_OWN_BUCKETS: Final = "its owner makes a bucket, and tags it crs:account=ACCOUNT"
_OWN_BACKUPS: Final = "tables and buckets are backed up by themselves: see docs/aws-backup.md"


@click.group(cls=Refusing)
def crs() -> None:
    """A container registry service. Configuration is read from CRS_… variables; see docs/operations.md."""


@crs.command()
def serve() -> None:
    """Serve the embedded stack until SIGTERM or Ctrl-C."""
    from chalicelib.host.service import serve as run

    run(settings(), say=lambda text: click.echo(text))


@crs.command()
def gateway() -> None:
    """Serve the registry of the AWS stack, as its container does, until SIGTERM or Ctrl-C."""
    from chalicelib.host.gateway import serve_gateway

    raise SystemExit(serve_gateway(settings()))


@crs.command()
@click.option("--deep", is_flag=True, help="Also read and hash the bytes of every blob.")
def fsck(deep: bool) -> None:
    """Prove all that is stored whole. Prints what is wrong, and exits with 1 if anything is."""
    from chalicelib.collection.fsck import Fsck

    found = 0
    with opened_stack() as stack:
        for finding in Fsck(stack, deep=deep).run():
            found += 1
            click.echo(f"{finding.kind}  {finding.subject}  {finding.message}")
    click.echo(f"{found} findings" if found else "clean")
    if found:
        raise SystemExit(1)


@crs.command()
def sweep() -> None:
    """Do everything that is due, now: what the schedules do bit by bit."""
    from chalicelib.collection.service import Sweeper

    with opened_stack() as stack:
        rounds = Sweeper(stack).run()
    click.echo(f"nothing is due any more, after {rounds} rounds" if rounds else "nothing is due")


@crs.group()
def bucket() -> None:
    """Buckets of the embedded stack: folders under the data folder."""


@bucket.command("create")
@click.argument("name")
@click.option("--account", default="default", show_default=True, help="Whose instances can be opened in it.")
def bucket_create(name: str, account: str) -> None:
    """Make a bucket that instances of an account can be opened in."""
    from .buckets import create_for

    create_for(one_machine(_OWN_BUCKETS), name, account)
    click.echo(f"bucket {name} is there, for account {account}")


@crs.group()
def namespace() -> None:
    """Namespaces of an instance."""


@namespace.command("create")
@click.argument("name")
@click.option("--instance", "instance_name", default="default", show_default=True)
@click.option("--auto-create-repository", is_flag=True, help="A push makes the repository it names.")
@click.option("--visibility", type=click.Choice(["private", "public"]), default="private", show_default=True)
@click.option("--sparse-indexes", is_flag=True, help="Indexes may name children that are not here.")
def namespace_create(
    name: str, instance_name: str, auto_create_repository: bool, visibility: str, sparse_indexes: bool
) -> None:
    """Make a namespace."""
    from .instances import create_namespace

    with opened_stack() as stack:
        create_namespace(
            stack,
            instance_name,
            name=name,
            auto_create_repository=auto_create_repository,
            default_visibility=visibility,
            allow_sparse_indexes=sparse_indexes,
        )
    click.echo(f"namespace {name} is there")


@crs.group()
def instance() -> None:
    """Instances of this service."""


@instance.command("list")
def instance_list() -> None:
    """Every instance: id, name, edition, state, bucket, address."""
    from .instances import rows

    with opened_stack() as stack:
        for row in rows(stack):
            click.echo("  ".join(row))


@crs.group()
def admin() -> None:
    """The operator's own rights."""


@admin.command("reset-password")
@click.option("--instance", "instance_name", default="default", show_default=True)
@click.option("--user", "username", default="admin", show_default=True)
@click.option("--password-stdin", is_flag=True, help="Read the new password from stdin; otherwise one is generated.")
def reset_password(instance_name: str, username: str, password_stdin: bool) -> None:
    """Give a registry credential a new password; in the default instance, also the account's user of that name.

    The old one ends at once, and so do tokens and sessions made with it.
    """
    from .instances import reset_password as reset

    with opened_stack() as stack:
        given = password_from_stdin(password_stdin)
        password = reset(stack, instance_name, username, given)
    click.echo(f"user {username} has a new password" + ("" if given else f": {password}"))


crs.add_command(account)
crs.add_command(adopt)
crs.add_command(audit)
crs.add_command(credential_helper)
crs.add_command(dead_letters)
crs.add_command(init)
crs.add_command(kubelet_credential_provider)
crs.add_command(login_programs)
crs.add_command(migrate)
crs.add_command(recover)
crs.add_command(user)
crs.add_command(vulndb)


@crs.command()
@click.argument("folder", type=click.Path(path_type=Path))
def backup(folder: Path) -> None:
    """Copy the data folder to FOLDER, consistently, while the service runs; the next time, only what is new."""
    from chalicelib.host.backup import backup as back_up

    report = back_up(one_machine(_OWN_BACKUPS), folder)
    click.echo(f"{folder} holds {report.tables} tables and {report.files} files, {report.copied} of them new")


@crs.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def restore(folder: Path) -> None:
    """Make the data folder from a backup in FOLDER. Refused while there is one with anything in it."""
    from chalicelib.host.backup import restore as bring_back

    chosen = one_machine(_OWN_BACKUPS)
    bring_back(chosen, folder)
    click.echo(f"restored to {chosen.data}; run `crs fsck` to see it whole")
