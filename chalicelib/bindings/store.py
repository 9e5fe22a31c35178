"""Items of environments, services and versions, and of what hangs on the repositories they use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from chalicelib.kernel.errors import Invalid
from chalicelib.kernel.names import Name
from chalicelib.kernel.paging import Page, bounded_pass, every
from chalicelib.ports import binding_keys, keys
from chalicelib.ports.table import (
    Check,
    Delete,
    Item,
    Key,
    Put,
    Table,
    Update,
    Write,
    absent,
    all_of,
    any_of,
    at_most,
    equals,
    present,
)
from chalicelib.repositories.models import Repository

from .models import Environment, Record, Service, Use, Version
from .shapes import NamedQuery

R = TypeVar("R", bound=Record)


# Environments


def environment(table: Table, account: str, name: str) -> Environment | None:
    return _read(table, binding_keys.environment(account, name), Environment)


def environment_creation(made: Environment) -> Put:
    return _put(binding_keys.environment(made.account_id, made.name), made)


def environment_deletion(seen: Environment) -> Delete:
    """Fails if it has services, or is gone."""
    empty = all_of(equals("life", seen.life), equals("services", 0))
    return Delete(binding_keys.environment(seen.account_id, seen.name), empty)


def remark(key: Key, life: str, text: str) -> Update:
    return Update(key, set={"remark": text}, when=equals("life", life))


# Services


def service(table: Table, account: str, environment: str, name: str) -> Service | None:
    return _read(table, binding_keys.service(account, environment, name), Service)


def service_creation(home: Environment, made: Service, most: int) -> list[Write]:
    """Position 0 fails if the environment is gone or full, 1 if the name is taken, 3 if the repository is not what it
    was: gone, or public."""
    room = all_of(equals("life", home.life), at_most("services", most - 1))
    private = all_of(equals("id", made.repository_id), equals("visibility", "private"))
    return [
        Update(binding_keys.environment(home.account_id, home.name), add={"services": 1}, when=room),
        _put(binding_keys.service(made.account_id, made.environment, made.name), made),
        Put({**_bound(made)._asdict(), "environment": str(made.environment), "service": str(made.name)}),
        Check(keys.repository(made.instance_id, made.repository), private),
    ]


def service_leaving(seen: Service) -> Update:
    """From now on no version comes to it."""
    return Update(service_key(seen), set={"deleting": True}, when=equals("life", seen.life))


def service_deletion(seen: Service) -> list[Write]:
    """Position 0 fails if it is gone. Its versions went before."""
    return [
        Delete(service_key(seen), equals("life", seen.life)),
        Delete(_bound(seen)),
        Update(binding_keys.environment(seen.account_id, seen.environment), add={"services": -1}, when=present()),
    ]


def service_key(seen: Service) -> Key:
    return binding_keys.service(seen.account_id, seen.environment, seen.name)


# Versions


def version(table: Table, of: Service, name: str) -> Version | None:
    return _read(table, binding_keys.version(of.account_id, of.environment, of.name, name), Version)


def version_creation(of: Service, repository: Repository, made: Version, most: int, now: str) -> list[Write]:
    """Position 0 fails if the service is gone, being deleted or full, 1 if the name is taken, 2 while the tag is being
    deleted, 3 and 4 if tag or repository are not what they were."""
    room = all_of(equals("life", of.life), equals("deleting", False), at_most("versions", most - 1))
    return [
        Update(service_key(of), add={"versions": 1}, when=room),
        _put(_version_key(made), made),
        Check(binding_keys.going(made.repository_id, made.tag), any_of(absent(), at_most("until", now))),
        Check(keys.tag(made.repository_id, made.tag), equals("digest", str(made.digest))),
        Check(keys.repository(repository.instance_id, repository.name), equals("id", repository.id)),
        Put({**_use_key(made)._asdict(), **_use(made).model_dump(), "tag": str(made.tag)}),
    ]


def version_deletion(of: Service, seen: Version) -> list[Write]:
    """Position 0 fails if it is gone."""
    return [
        Delete(_version_key(seen), equals("life", seen.life)),
        Delete(_use_key(seen)),
        Update(service_key(of), add={"versions": -1}, when=equals("life", of.life)),
    ]


def versions_deletion(of: Service, seen: Sequence[Version]) -> list[Write]:
    """Of a service that is being deleted. Position 0 fails if it is gone: another of its name keeps its own."""
    leaving = Check(service_key(of), all_of(equals("life", of.life), equals("deleting", True)))
    return [leaving, *(Delete(key) for one in seen for key in (_version_key(one), _use_key(one)))]


def uses_of(table: Table, repository_id: str, tag: str) -> list[Use]:
    """All versions that name the tag, by name."""
    first = binding_keys.uses(repository_id, tag)
    rows = every(lambda cursor: table.query(first.pk, prefix=first.sk, cursor=cursor, limit=1000))
    return [Use.model_validate(row) for row in rows]


def uses_between(table: Table, repository_id: str, tags: Sequence[str]) -> dict[str, list[Use]]:
    """The versions that name each of these tags; one query, or one for each thousand that it passes by."""
    if not tags:
        return {}
    first, last = binding_keys.uses(repository_id, min(tags)), binding_keys.uses(repository_id, max(tags))
    # `#` comes before, and `~` behind, all that names hold.
    after, until = first.sk.removesuffix("#"), last.sk + "~"
    rows = every(lambda cursor: table.query(first.pk, after=after, until=until, cursor=cursor, limit=1000))
    found: dict[str, list[Use]] = {tag: [] for tag in tags}
    for row in rows:
        if row["tag"] in found:
            found[row["tag"]].append(Use.model_validate(row))
    return found


# Lists


def page(table: Table, first: Key, model: type[R], names: type[Name], query: NamedQuery) -> Page[R]:
    """By a bounded pass. first: where the list begins. cursor: the last name of the page before.

    Raises Invalid naming `cursor`.
    """
    cursor, limit = query.cursor, query.limit
    if cursor is not None and not names.fits(cursor):
        raise Invalid("cursor", "is not `next` of a page of this list")

    def load(within: str | None, rows: int) -> Page[Item]:
        return table.query(
            first.pk,
            prefix=first.sk,
            after=first.sk + cursor if cursor is not None and within is None else None,
            cursor=within,
            limit=rows if query.search else min(rows, limit + 1),
            descending=query.sort == "-name",
        )

    found = bounded_pass(load, lambda row: query.search in row["name"], lambda row: str(row["name"]), limit)
    return found.map(model.model_validate)


def _read(table: Table, key: Key, model: type[R]) -> R | None:
    item = table.get(key)
    return None if item is None else model.model_validate(item)


def _put(key: Key, record: Record) -> Put:
    return Put({**key._asdict(), **record.model_dump(mode="json")}, absent())


def _bound(seen: Service) -> Key:
    return binding_keys.bound_service(seen.repository_id, seen.environment, seen.name)


def _version_key(seen: Version) -> Key:
    return binding_keys.version(seen.account_id, seen.environment, seen.service, seen.name)


def _use_key(seen: Version) -> Key:
    return binding_keys.use(seen.repository_id, seen.tag, seen.environment, seen.service, seen.name)


def _use(seen: Version) -> Use:
    return Use(environment=seen.environment, service=seen.service, version=seen.name)
