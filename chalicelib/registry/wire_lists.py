"""Lists on the wire: tags, referrers, and the names of repositories. Paged, with the next page's address in `Link`."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import quote, urlencode

from chalicelib.edge.asgi import Answer, Headers, Visit
from chalicelib.kernel import media
from chalicelib.kernel.errors import Invalid, NameInvalid, Unauthenticated
from chalicelib.kernel.names import Digest, RepositoryName
from chalicelib.kernel.paging import bounded_pass
from chalicelib.kernel.principal import Action
from chalicelib.repositories.service import Repositories, may

from .models import Caller, Referrer
from .routes import Route
from .wire import Wire

# One page at most, whatever `n` says.
MOST_ENTRIES: Final = 1000
_LONGEST_PARAMETER: Final = 1024


def list_tags(wire: Wire, caller: Caller, route: Route, visit: Visit) -> Answer:
    asked = _Asked(visit)
    page = wire.registry.tags(caller, route.name, asked.text("last"), asked.limit)
    more = page.next is not None and asked.limit > 0
    link = _link(visit, n=asked.limit, last=page.next) if more else ()
    return _json({"name": route.name, "tags": list(page.items)}, b"application/json", link)


def list_referrers(wire: Wire, caller: Caller, route: Route, visit: Visit) -> Answer:
    asked = _Asked(visit)
    artifact_type = asked.text("artifactType")
    page = wire.registry.referrers(
        caller, route.name, Digest.parse(route.reference), artifact_type, asked.text("cursor") or None
    )
    index = {
        "schemaVersion": 2,
        "mediaType": media.OCI_INDEX,
        "manifests": [_descriptor(referrer) for referrer in page.items],
    }
    extra: Headers = ((b"oci-filters-applied", b"artifactType"),) if artifact_type else ()
    if page.next is not None:
        filtered = {"artifactType": artifact_type} if artifact_type else {}
        extra += _link(visit, **filtered, cursor=page.next)
    return _json(index, media.OCI_INDEX.encode(), extra)


def list_repositories(wire: Wire, caller: Caller, route: Route, visit: Visit) -> Answer:
    """Names that the caller may pull, by a bounded pass. A token names repositories, and is for no list of them."""
    asked = _Asked(visit)
    if caller.principal.anonymous or caller.principal.grants is not None:
        raise Unauthenticated("repositories are listed to a user name and password alone")
    after = _after(asked.text("last"))
    repositories = Repositories(wire.stack)
    page = bounded_pass(
        lambda cursor, rows: repositories.list(
            caller.instance.id, after=None if cursor else after, cursor=cursor, limit=rows
        ),
        lambda repository: may(caller.principal, caller.instance, repository, repository.name, Action.PULL),
        lambda repository: repository.name,
        asked.limit,
    )
    link = _link(visit, n=asked.limit, last=page.next) if page.next and asked.limit > 0 else ()
    return _json({"repositories": [found.name for found in page.items]}, b"application/json", link)


def _after(text: str) -> RepositoryName | None:
    try:
        return RepositoryName.parse(text) if text else None
    except NameInvalid as malformed:
        raise Invalid("last", "last must be a name from the page before") from malformed


class _Asked:
    """The parameters of a list, checked."""

    def __init__(self, visit: Visit) -> None:
        self._query = visit.query()
        self.limit = self._limit()

    def text(self, name: str) -> str:
        value = self._query.get(name, [""])[-1]
        if len(value) > _LONGEST_PARAMETER or not value.isprintable():
            raise Invalid(name, f"{name} is too long or holds characters that do not print")
        return value

    def _limit(self) -> int:
        text = self._query.get("n", [""])[-1]
        if text == "":
            return MOST_ENTRIES
        if not (text.isascii() and text.isdigit() and len(text) <= 9):
            raise Invalid("n", "n is how many entries a page may have, in digits")
        return min(int(text), MOST_ENTRIES)


def _descriptor(referrer: Referrer) -> dict[str, Any]:
    descriptor: dict[str, Any] = {
        "mediaType": referrer.media_type,
        "digest": referrer.digest,
        "size": referrer.size,
    }
    if referrer.artifact_type:
        descriptor["artifactType"] = referrer.artifact_type
    if referrer.annotations:
        descriptor["annotations"] = referrer.annotations
    return descriptor


def _link(visit: Visit, **parameters: object) -> Headers:
    """The same list, further on. Source: RFC 5988."""
    target = f"{quote(visit.path)}?{urlencode(parameters)}"
    return ((b"link", f'<{target}>; rel="next"'.encode()),)


def _json(document: dict[str, Any], content_type: bytes, extra: Headers) -> Answer:
    body = json.dumps(document, separators=(",", ":")).encode()
    return Answer(200, ((b"content-type", content_type), (b"content-length", b"%d" % len(body)), *extra), body)
