"""Manifests on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chalicelib.edge.asgi import SMALL_BYTES, Answer, Body, Headers, Visit
from chalicelib.kernel.errors import Invalid, ManifestInvalid
from chalicelib.kernel.names import TagName

from .models import Caller, How, Pulled, Pushed
from .pulls import Pull
from .routes import Route, reference
from .rules import MANIFEST_LIMIT_BYTES, TAGS_PER_PUSH
from .wire import Wire, may_push

# Header values stay well below what clients and proxies take.
_LONGEST_TYPE: Final = 256
# Another such service brings it by a rule of its own: no rule of this one takes it further, or two would go in circles.
SYNCHRONISED: Final = b"crs-synchronised"


class TooManyTags(Invalid):
    code = "TOO_MANY_TAGS"
    status = 414


@dataclass(frozen=True, slots=True)
class ManifestAnswer(Answer):
    """pull: what is to be counted as it goes out; None for a HEAD, which pulls nothing. upstream: as of `Pulled`."""

    pull: Pull | None = None
    upstream: bool = False


def manifest_answer(pulled: Pulled, pull: Pull | None) -> ManifestAnswer:
    digest = pulled.digest.encode()
    headers: Headers = (
        (b"content-type", pulled.media_type.encode()),
        (b"content-length", b"%d" % len(pulled.body)),
        (b"docker-content-digest", digest),
        (b"etag", b'"' + digest + b'"'),
    )
    return ManifestAnswer(200, headers, pulled.body, pull, pulled.upstream, fleeting=pulled.judged)


def pull_manifest(wire: Wire, caller: Caller, route: Route, visit: Visit) -> Answer:
    """Who pushes asks what is there first, and goes no further where that is refused: so an image that may not be
    pulled could not be replaced by a better one. Its head alone is told to a token that was asked for to push."""
    asked = reference(route.reference)
    pushes = visit.method == "HEAD" and caller.principal.grants is not None and may_push(caller, route.name)
    pulled = wire.registry.pull(caller, route.name, asked, judged=not pushes)
    tag = asked if isinstance(asked, TagName) else ""
    pull = Pull(caller.instance.id, pulled.repository_id, tag, pulled.digest) if visit.method == "GET" else None
    return manifest_answer(pulled, pull)


async def push_manifest(wire: Wire, visit: Visit, route: Route, body: Body) -> Answer:
    """A small body is taken before the credentials are looked at, so that all the rest is one call in a thread."""
    tags = _tags(visit)
    content_type = visit.text(b"content-type")
    if not content_type or len(content_type) > _LONGEST_TYPE:
        raise ManifestInvalid("Content-Type must name the manifest's media type")
    how: How = "sync" if visit.text(SYNCHRONISED) == "1" else "push"

    def push(data: bytes, caller: Caller | None = None) -> Pushed:
        caller = caller or wire.callers.fresh(visit).caller
        ref = reference(route.reference)
        return wire.registry.push(caller, route.name, ref, tags, data, content_type, how)

    if body.is_small:
        pushed = await wire.stack.write(push, await body.read(SMALL_BYTES, "manifest"))
    else:
        admitted = await wire.stack.write(wire.callers.fresh, visit)
        pushed = await wire.stack.write(push, await body.read(MANIFEST_LIMIT_BYTES, "manifest"), admitted.caller)
    return _pushed_answer(route, pushed, tags)


async def delete_manifest(wire: Wire, visit: Visit, route: Route, body: Body) -> Answer:
    def delete() -> None:
        caller = wire.callers.fresh(visit).caller
        wire.registry.delete(caller, route.name, reference(route.reference))

    await wire.stack.write(delete)
    return Answer(202, ((b"content-length", b"0"),))


def _tags(visit: Visit) -> list[TagName]:
    texts = visit.query().get("tag", []) if visit.raw_query else []
    if len(texts) > TAGS_PER_PUSH:
        raise TooManyTags("tag", f"one push takes at most {TAGS_PER_PUSH} tags", limit=TAGS_PER_PUSH)
    return [TagName.parse(text) for text in texts]


def _pushed_answer(route: Route, pushed: Pushed, asked: Sequence[TagName]) -> Answer:
    headers = [
        (b"location", f"/v2/{route.name}/manifests/{pushed.digest}".encode()),
        (b"docker-content-digest", pushed.digest.encode()),
        (b"content-length", b"0"),
    ]
    if pushed.subject:
        headers.append((b"oci-subject", pushed.subject.encode()))
    headers.extend((b"oci-tag", tag.encode()) for tag in asked)
    return Answer(201, tuple(headers))
