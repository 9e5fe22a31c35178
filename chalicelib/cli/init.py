"""`crs init`: what the first start makes on one machine, made once for a deployment on AWS."""

from __future__ import annotations

import secrets

import click

from chalicelib.kernel.errors import Invalid

from .people import password_from_stdin
from .settings import opened_stack, settings

# 24 bytes are 32 characters and 192 bits.
_PASSWORD_BYTES = 24


@click.command()
@click.option("--allow", multiple=True, metavar="CIDR", help="Clients from there may reach the instance. Repeatable.")
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin; otherwise one is generated.")
def init(allow: tuple[str, ...], password_stdin: bool) -> None:
    """Make the operator's account, instance `default` and namespace `library` of a new deployment on AWS.

    Does nothing where the account is there already. Interrupted, it is run again.
    """
    from chalicelib.host.first_start import USERNAME, first_deployment
    from chalicelib.instances.service import Instances

    if settings().one_machine:
        raise Invalid("CRS_STACK", "on one machine the first `crs serve` does this; `crs init` is for the stack `aws`")
    with opened_stack() as stack:
        given = password_from_stdin(password_stdin)
        password = given if given is not None else secrets.token_urlsafe(_PASSWORD_BYTES)
        instance = first_deployment(stack, password, allow)
        if instance is None:
            click.echo("this deployment is initialised already; `crs admin reset-password` gives a new password")
            return
        click.echo(f"account {instance.account_id} is there, with user {USERNAME}, who operates this service")
        click.echo(f"instance {instance.name} is there, at {Instances(stack).public_address(instance)}")
        click.echo(f"it is open to {', '.join(allow)}" if allow else "it is open to nobody yet: see its allowlist")
    if given is None:
        click.echo(f"password of {USERNAME}, shown this once: {password}")
