"""What clients ask for, each as one request: prepared without being counted, then done."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from chalicelib.accounts.service import Accounts
from chalicelib.kernel import media
from chalicelib.kernel.names import Digest
from tests.management import PASSWORD, Api, Reply
from tests.registry.images import image, index

from .worlds import APP, CONFIG_BYTES, LAYERS, LOGIN, TAG, World

# Answers a response of httpx or a `Reply`.
Act = Callable[[], Any]
Prepare = Callable[[World], Act]

_REPOSITORY: Final = f"/v2/{APP}"
_numbers = itertools.count()


def _fresh(kind: str) -> bytes:
    return f"{kind} {next(_numbers)}".encode()


def _digest_of(world: World, tag: str = TAG) -> str:
    return str(world.ask("HEAD", f"{_REPOSITORY}/manifests/{tag}").headers["docker-content-digest"])


def _get(path: str, **more: Any) -> Prepare:
    return lambda world: partial(world.ask, "GET", path, **more)


def _by_digest(method: str, tag: str = TAG) -> Prepare:
    def prepare(world: World) -> Act:
        return partial(world.ask, method, f"{_REPOSITORY}/manifests/{_digest_of(world, tag)}")

    return prepare


def _head(path: str, **more: Any) -> Prepare:
    return lambda world: partial(world.ask, "HEAD", path, **more)


def _referrers(world: World) -> Act:
    params = {"artifactType": "application/nothing"}
    return partial(world.ask, "GET", f"{_REPOSITORY}/referrers/{_digest_of(world)}", params=params)


def _with_access_key(world: World) -> Act:
    """With a token that was made with it, by a user of the instance's own account."""
    Api.signed_in(world.plain)
    made = Accounts(world.plain).access_keys.create("default", "owner", "", None)
    login = (made.key.id, made.secret)
    token = world.ask("GET", "/token", auth=login, params={"service": "x", "scope": _PULL_ONLY}).json()["token"]
    headers = {"authorization": f"Bearer {token}"}
    return partial(world.ask, "GET", f"{_REPOSITORY}/manifests/{TAG}", scope="", headers=headers)


def _token(asked: str, **more: Any) -> Prepare:
    return lambda world: partial(world.ask, "GET", "/token", params={"service": "x", "scope": asked.split(" ")}, **more)


_PULL_ONLY: Final = "repository:library/app:pull"
_LAYER: Final = f"{_REPOSITORY}/blobs/{Digest.of(LAYERS[0])}"

# Reads, of which a process remembers what it may.
READS: Final[Mapping[str, Prepare]] = {
    "manifest GET by tag": _get(f"{_REPOSITORY}/manifests/{TAG}"),
    "manifest HEAD by tag": _head(f"{_REPOSITORY}/manifests/{TAG}"),
    "manifest GET by digest": _by_digest("GET"),
    "manifest HEAD by digest": _by_digest("HEAD"),
    "manifest GET by tag, with a password": _get(f"{_REPOSITORY}/manifests/{TAG}", auth=LOGIN),
    "manifest GET by tag, with an access key's token": _with_access_key,
    "manifest GET by tag, without credentials": _get("/v2/open/app/manifests/open", scope=""),
    "manifest GET by digest, of 20 KB": _by_digest("GET", "large"),
    "blob HEAD": _head(_LAYER, scope=_PULL_ONLY),
    "blob HEAD by who may push": _head(_LAYER),
    "tag list": _get(f"{_REPOSITORY}/tags/list", params={"n": 10}, scope=_PULL_ONLY),
    "catalog": _get("/v2/_catalog", params={"n": 10}, auth=LOGIN),
    "referrers": _referrers,
    "ping": _get("/v2/", scope=_PULL_ONLY),
    "token": _token(_PULL_ONLY, auth=LOGIN),
    "token for two repositories": _token(f"{_PULL_ONLY} repository:open/app:pull", auth=LOGIN),
    "token without credentials": _token("repository:open/app:pull", scope=""),
}


BLOB_GET: Final = _get(_LAYER, scope=_PULL_ONLY)

# Pushes ------------------------------------------------------------------------------------------------------------


def _start(world: World) -> Act:
    return partial(world.ask, "POST", f"{_REPOSITORY}/blobs/uploads/")


def _upload(world: World) -> str:
    return str(world.ask("POST", f"{_REPOSITORY}/blobs/uploads/").headers["location"])


def _chunk(world: World) -> Act:
    return partial(world.ask, "PATCH", _upload(world), content=b"chunk")


def _finish(world: World) -> Act:
    location, data = _upload(world), _fresh("layer")
    world.ask("PATCH", location, content=data)
    return partial(world.ask, "PUT", location, params={"digest": Digest.of(data)})


def _finish_known(world: World) -> Act:
    location, data = _upload(world), LAYERS[1]
    world.ask("PATCH", location, content=data)
    return partial(world.ask, "PUT", location, params={"digest": Digest.of(data)})


def _whole(world: World) -> Act:
    data = _fresh("layer")
    return partial(world.ask, "POST", f"{_REPOSITORY}/blobs/uploads/", params={"digest": Digest.of(data)}, content=data)


_BOTH: Final = "repository:open/target:pull,push repository:library/app:pull"


def _mount(source: bool) -> Prepare:
    def prepare(world: World) -> Act:
        params = {"mount": Digest.of(LAYERS[0]), **({"from": str(APP)} if source else {})}
        world.token(_BOTH)
        world.library.push("t", name=type(APP)("open/target"), layers=(b"other",))
        return partial(world.ask, "POST", "/v2/open/target/blobs/uploads/", params=params, scope=_BOTH)

    return prepare


def _put(world: World, reference: str, body: bytes, media_type: str = media.OCI_MANIFEST) -> Act:
    headers = {"content-type": media_type}
    return partial(world.ask, "PUT", f"{_REPOSITORY}/manifests/{reference}", content=body, headers=headers)


def _image_of(layers: int) -> Prepare:
    def prepare(world: World) -> Act:
        held = [_fresh("layer") for _ in range(layers)]
        for data in (b"{}", *held):
            params = {"digest": Digest.of(data)}
            world.ask("POST", f"{_REPOSITORY}/blobs/uploads/", params=params, content=data)
        return _put(world, f"new-{next(_numbers)}", image(*held))

    return prepare


def _over(world: World) -> Act:
    """The tag moves, and its history grows."""
    body = image(*LAYERS, config=CONFIG_BYTES, annotations={"number": str(next(_numbers))})
    return _put(world, "more-00001", body)


def _again(world: World) -> Act:
    return _put(world, TAG, world.ask("GET", f"{_REPOSITORY}/manifests/{TAG}").content)


def _index_of(children: int) -> Prepare:
    def prepare(world: World) -> Act:
        bodies = [image(*LAYERS, config=CONFIG_BYTES, annotations={"of": str(next(_numbers))}) for _ in range(children)]
        for body in bodies:
            _put(world, Digest.of(body), body)()
        return _put(world, f"index-{next(_numbers)}", index(*bodies), media.OCI_INDEX)

    return prepare


# Deletions ---------------------------------------------------------------------------------------------------------

_DELETE: Final = "repository:library/app:delete"


def _delete_tag(world: World) -> Act:
    tag = f"dropped-{next(_numbers)}"
    _put(world, tag, world.ask("GET", f"{_REPOSITORY}/manifests/{TAG}").content)()
    return partial(world.ask, "DELETE", f"{_REPOSITORY}/manifests/{tag}", scope=_DELETE)


def _delete_manifest(world: World) -> Act:
    body = image(*LAYERS, config=CONFIG_BYTES, annotations={"gone": str(next(_numbers))})
    _put(world, f"gone-{next(_numbers)}", body)()
    return partial(world.ask, "DELETE", f"{_REPOSITORY}/manifests/{Digest.of(body)}", scope=_DELETE)


def _delete_blob(world: World) -> Act:
    data = _fresh("layer")
    world.ask("POST", f"{_REPOSITORY}/blobs/uploads/", params={"digest": Digest.of(data)}, content=data)
    return partial(world.ask, "DELETE", f"{_REPOSITORY}/blobs/{Digest.of(data)}", scope=_DELETE)


WRITES: Final[Mapping[str, Prepare]] = {
    "upload POST": _start,
    "upload PATCH": _chunk,
    "upload PUT": _finish,
    "upload PUT of what is here": _finish_known,
    "upload POST, whole": _whole,
    "mount": _mount(True),
    "mount from anywhere": _mount(False),
    "manifest PUT, 1 layer": _image_of(1),
    "manifest PUT, 10 layers": _image_of(10),
    "manifest PUT over a tag": _over,
    "manifest PUT of the same": _again,
    "index PUT, 2 images": _index_of(2),
    "tag DELETE": _delete_tag,
    "manifest DELETE": _delete_manifest,
    "blob DELETE": _delete_blob,
}


# The management API ------------------------------------------------------------------------------------------------


def _api(path: str, **query: object) -> Prepare:
    def prepare(world: World) -> Act:
        api, asked = Api.signed_in(world.plain), path.format(digest=_digest_of_plain(world))

        def act() -> Reply:
            reply = replace(api, stack=world.stack).get(asked, **query)
            world.require(reply.status, reply.text)
            return reply

        return act

    return prepare


def _digest_of_plain(world: World) -> str:
    library = world.library
    return str(library.registry.tag(library.repository(APP), TAG).digest)


def _sign_in(world: World) -> Act:
    Api.signed_in(world.plain)
    body = {"account": "default", "username": "owner", "password": PASSWORD}

    def act() -> Reply:
        reply = Api(world.stack).post("/session", body)
        world.require(reply.status, reply.text)
        return reply

    return act


_OF: Final = "/instances/ci/namespaces/library/repositories"

API: Final[Mapping[str, Prepare]] = {
    "sign in": _sign_in,
    "instances": _api("/instances", limit=10),
    "instance": _api("/instances/ci"),
    "overview": _api("/instances/ci/overview"),
    "namespaces": _api("/instances/ci/namespaces", limit=10),
    "repositories of all": _api("/instances/ci/repositories", limit=10),
    "repositories": _api(_OF, limit=10),
    "repositories by prefix": _api(_OF, limit=10, prefix="more-0000"),
    "repository": _api(f"{_OF}/app"),
    "tags": _api(f"{_OF}/app/tags", limit=10),
    "tags by push time": _api(f"{_OF}/app/tags", limit=10, sort="-pushed_at"),
    "tag": _api(f"{_OF}/app/tags/{TAG}"),
    "history of a tag": _api(f"{_OF}/app/tags/{TAG}/history", limit=10),
    "manifest": _api(f"{_OF}/app/manifests/{{digest}}"),
    "credentials": _api("/instances/ci/credentials", limit=10),
    "allowlist": _api("/instances/ci/allowlist", limit=10),
    "recycle bin": _api("/instances/ci/recycle-bin", limit=10),
    "tasks": _api("/instances/ci/tasks", limit=10),
    "webhooks": _api("/instances/ci/webhooks", limit=10),
    "audit": _api("/instances/ci/audit-events", limit=10),
    "immutability rules": _api("/instances/ci/immutability-rules", limit=10),
}
