"""What people and programs of an account may do through API and console: roles, and the rights each has.

`docs/roles.md` shows the same table to users; a test holds the two together.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    OWNER = "owner"
    DEVELOPER = "developer"
    READER = "reader"
    AUDITOR = "auditor"


class Right(StrEnum):
    """What an endpoint needs of its caller.

    SELF       one's own session, name, password and access keys
    CONTENT    namespaces, repositories, tags, manifests, charts, tasks, usage
    SETTINGS   instances, allowlist, credentials, shares, webhooks: who gets in, and who is told
    BILLING    balance, orders, opening, renewing and deleting instances
    USERS      the account's users
    AUDIT      who did what
    OPERATE    accounts of this service: the operator's alone, whatever the role
    """

    SELF = "self"
    READ_CONTENT = "read content"
    CHANGE_CONTENT = "change content"
    READ_SETTINGS = "read settings"
    CHANGE_SETTINGS = "change settings"
    READ_BILLING = "read billing"
    CHANGE_BILLING = "change billing"
    READ_USERS = "read users"
    CHANGE_USERS = "change users"
    READ_AUDIT = "read audit"
    OPERATE = "operate"


_READING: Final = frozenset({Right.SELF, Right.READ_CONTENT})
RIGHTS: Final[dict[Role, frozenset[Right]]] = {
    Role.OWNER: frozenset(Right) - {Right.OPERATE},
    Role.DEVELOPER: _READING | {Right.CHANGE_CONTENT},
    Role.READER: _READING,
    Role.AUDITOR: _READING | {Right.READ_SETTINGS, Right.READ_BILLING, Right.READ_USERS, Right.READ_AUDIT},
}
