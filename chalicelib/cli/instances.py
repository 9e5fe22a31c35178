"""What commands do with instances, their namespaces and credentials."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from chalicelib.accounts.service import Accounts
from chalicelib.credentials.service import Credentials
from chalicelib.host.first_start import PASSWORD_BYTES, PASSWORD_FILE, USERNAME, write_durably
from chalicelib.identity.service import hash_password
from chalicelib.instances.service import DEFAULT_ACCOUNT, DEFAULT_NAME, Instances
from chalicelib.kernel.errors import Invalid, NotFound
from chalicelib.namespaces.models import Namespace, NewNamespace
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports.stack import Stack


def rows(stack: Stack) -> Iterator[tuple[str, ...]]:
    """One row of text for each instance."""
    instances = Instances(stack)
    for one in instances.every():
        yield one.id, one.name, one.edition, one.state, one.bucket, instances.public_address(one)


def create_namespace(stack: Stack, instance_name: str, **fields: Any) -> Namespace:
    """Raises NotFound (instance), Conflict, QuotaExceeded, Invalid naming every bad field."""
    instance = Instances(stack).named(DEFAULT_ACCOUNT, instance_name)
    try:
        new = NewNamespace(**fields)
    except ValidationError as error:
        raise Invalid.many([(str(one["loc"][0]), one["msg"]) for one in error.errors()]) from error
    return Namespaces(stack).create(instance, new)


def reset_password(stack: Stack, instance_name: str, username: str, password: str | None) -> str:
    """The password that holds from now on, given or generated: for the credential, and in the default instance for the
    account's user of that name, if there is one. Raises NotFound, Invalid."""
    instance = Instances(stack).named(DEFAULT_ACCOUNT, instance_name)
    chosen = password if password is not None else secrets.token_urlsafe(PASSWORD_BYTES)
    Credentials(stack).reset_password(instance.id, username, chosen)
    kept = stack.settings.data / PASSWORD_FILE
    if instance_name == DEFAULT_NAME:
        with suppress(NotFound):
            Accounts(stack).users.set_password_hash(DEFAULT_ACCOUNT, username, hash_password(chosen))
        if username == USERNAME and kept.exists():
            write_durably(kept, chosen + "\n")
    return chosen
