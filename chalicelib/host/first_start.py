"""What a first start makes. Every step may be repeated, so a crash anywhere in between is finished by the next start.

1 the password, durably, in <data>/secrets/admin-password      (unless CRS_ADMIN_PASSWORD gives it)
2 account `default` and its user `admin`: owner of the account, operator of the service
3 enterprise instance `default` of the account, reachable from 127.0.0.1 alone until its allowlist says more, with
  registry credential `admin` under the same password
4 namespace `library`, which makes repositories on push
5 the marker <data>/first-start-done: what people delete later stays deleted

A folder from before there were accounts gets step 2 alone, with the password that the registry credential has.

A deployment on AWS has no such folder: `first_deployment` makes 3, 4 and, as its marker, 2 last.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chalicelib.access.service import Access
from chalicelib.accounts.service import Accounts
from chalicelib.credentials.service import Credentials
from chalicelib.identity.service import hash_password, weakness
from chalicelib.instances.models import Instance
from chalicelib.instances.service import DEFAULT_ACCOUNT, DEFAULT_NAME, Instances
from chalicelib.kernel.errors import Conflict, Invalid, NotFound
from chalicelib.kernel.names import NamespaceName
from chalicelib.namespaces.models import NewNamespace
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack

USERNAME: Final = "admin"
NAMESPACE: Final = NamespaceName("library")
MARKER: Final = "first-start-done"
PASSWORD_FILE: Final = Path("secrets") / "admin-password"
# 24 bytes are 32 characters and 192 bits.
PASSWORD_BYTES: Final = 24


@dataclass(frozen=True)
class FirstStart:
    """held: instance `default`, None once people deleted it. fresh: this start made what there is.
    password_file: where a generated password stands, if one does."""

    held: Instance | None
    fresh: bool
    password_file: Path | None

    @property
    def instance(self) -> Instance:
        """Raises NotFound."""
        if self.held is None:
            raise NotFound(f"instance {DEFAULT_NAME} was deleted")
        return self.held


def first_start(stack: Stack) -> FirstStart:
    """Makes what is missing; afterwards only reads."""
    data = stack.settings.data
    password_file = data / PASSWORD_FILE
    if (data / MARKER).exists():
        held = _held(stack)
        if held is not None:
            _account_of_older_folder(stack, held)
        return FirstStart(held, False, password_file if password_file.exists() else None)
    password = stack.settings.admin_password or generated_password(data)
    _account(stack, hash_password(password))
    instance = _instance(stack, password)
    _namespace(stack, instance)
    write_durably(data / MARKER, "")
    return FirstStart(instance, True, password_file if password_file.exists() else None)


def first_deployment(stack: Stack, password: str, allow: Sequence[str] = ()) -> Instance | None:
    """The instance, or None where all was made before: what people deleted since stays deleted.

    allow   networks whose clients may reach the instance
    Raises Invalid (password, networks). One that is interrupted is finished by the next, under the next's password.
    """
    accounts, access = Accounts(stack), Access(stack)
    with suppress(NotFound):
        accounts.get(DEFAULT_ACCOUNT)
        return None
    if wrong := weakness(password, USERNAME):
        raise Invalid("password", wrong)
    instance = _instance(stack, password)
    for cidr in allow:
        with suppress(Conflict):
            access.add(instance, cidr)
    _namespace(stack, instance)
    accounts.open_with_hash(DEFAULT_ACCOUNT, USERNAME, hash_password(password), operator=True)
    return instance


def _held(stack: Stack) -> Instance | None:
    try:
        return Instances(stack).named(DEFAULT_ACCOUNT, DEFAULT_NAME)
    except NotFound:
        return None


def generated_password(data: Path) -> str:
    """The password kept in the data folder, made now if there is none."""
    path = data / PASSWORD_FILE
    if path.exists():
        return path.read_text().strip()
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    write_durably(path, password + "\n")
    return password


def write_durably(path: Path, text: str) -> None:
    """Whole or not at all, and readable by the owner alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, text.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _account(stack: Stack, password_hash: str) -> None:
    """One that an interrupted start made stays, and its user is given the password that this start will tell."""
    accounts = Accounts(stack)
    try:
        accounts.users.set_password_hash(DEFAULT_ACCOUNT, USERNAME, password_hash)
    except NotFound:
        accounts.open_with_hash(DEFAULT_ACCOUNT, USERNAME, password_hash, operator=True)


def _account_of_older_folder(stack: Stack, instance: Instance) -> None:
    """With a credential that people deleted meanwhile, the password is one that is generated and kept now."""
    accounts = Accounts(stack)
    try:
        accounts.get(DEFAULT_ACCOUNT)
    except NotFound:
        credential = stack.table.get(keys.credential(instance.id, USERNAME))
        held = (
            str(credential["password_hash"]) if credential else hash_password(generated_password(stack.settings.data))
        )
        accounts.open_with_hash(DEFAULT_ACCOUNT, USERNAME, held, operator=True)


def _instance(stack: Stack, password: str) -> Instance:
    """One that an interrupted start made stays, and its credential is given the password that this start will tell."""
    instances, credentials = Instances(stack), Credentials(stack)
    try:
        instance = instances.named(DEFAULT_ACCOUNT, DEFAULT_NAME)
    except NotFound:
        return instances.create(
            name=DEFAULT_NAME,
            edition="enterprise",
            bucket=stack.settings.bucket,
            account_id=DEFAULT_ACCOUNT,
            also=lambda new: [*Access(stack).opening(new), *credentials.opening(new, USERNAME, password)],
        )
    credentials.reset_password(instance.id, USERNAME, password)
    return instance


def _namespace(stack: Stack, instance: Instance) -> None:
    namespaces = Namespaces(stack)
    try:
        namespaces.get(instance.id, NAMESPACE, fresh=True)
    except NotFound:
        namespaces.create(instance, NewNamespace(name=NAMESPACE, auto_create_repository=True))
