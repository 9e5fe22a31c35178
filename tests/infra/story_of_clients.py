"""What clients of a registry do, over the gateway: log in, push in every way there is, pull, list, delete."""

from __future__ import annotations

import json
from typing import Any, Final

from tests.management import PASSWORD
from tests.registry.wire import INDEX, MANIFEST, image, sha256

from .functions import Clients

LOGIN: Final = ("admin", PASSWORD)
APP, OTHER, FRESH = "library/app", "library/other", "library/fresh"
PUBLIC = "open/app"
# S3 takes no shorter part, so that this one comes in two and a tail.
LARGE: Final = b"much " * 1_100_000 * 2
_HALF_DONE: Final = (LARGE[:-5], b"half of it")
_READY: Final = "/readyz"


def clients_come_and_go(at: Clients) -> None:
    """Everything once."""
    at.ask("GET", _READY, 200)
    _log_in(at)
    _push(at)
    _upload_in_pieces(at)
    _give_up(at)
    clients_pull(at)
    _list(at)
    _delete(at)


def _log_in(at: Clients) -> None:
    at.ask("GET", "/v2/", 401)
    at.ask("GET", "/v2/", 200, auth=LOGIN)
    at.ask("GET", "/token", 401, auth=("admin", "not this one"), params={"service": "x"})
    scope = {"service": "x", "scope": f"repository:{APP}:pull,push"}
    at.ask("GET", "/token", 200, auth=LOGIN, params=scope)
    at.ask("GET", "/token", 200, params={"service": "x", "scope": f"repository:{PUBLIC}:pull"})
    form = {"grant_type": "password", "username": LOGIN[0], "password": LOGIN[1], "client_id": "tests"}
    kept = at.ask("POST", "/token", 200, data={**form, **scope, "access_type": "offline"}).json()
    again = {"grant_type": "refresh_token", "refresh_token": kept["refresh_token"], "client_id": "tests"}
    token = at.ask("POST", "/token", 200, data={**again, **scope}).json()["access_token"]
    at.ask("GET", f"/v2/{APP}/tags/list", 200, 404, headers={"Authorization": f"Bearer {token}"})


def _push(at: Clients) -> None:
    bodies = [push_image(at, APP, tag, layer) for tag, layer in (("v1", b"one"), ("v2", b"two"))]
    put(at, APP, "v1", bodies[0])
    put(at, APP, "v1", bodies[1])
    put(at, APP, sha256(bodies[0]), bodies[0], tags=("again", "and-again"))
    put(at, APP, "multi", index(*bodies), kind=INDEX)
    push_image(at, APP, "large", b"one", annotations={"note": "x" * 20_000})
    subject = {"mediaType": MANIFEST, "digest": sha256(bodies[1]), "size": len(bodies[1])}
    push_image(at, APP, "signature", b"a signature", subject=subject, artifactType="application/example")
    push_image(at, FRESH, "v1", b"of a repository that was not there")
    push_image(at, PUBLIC, "v1", b"for everybody")
    mounted = {"mount": sha256(b"one"), "from": APP}
    at.ask("POST", f"/v2/{OTHER}/blobs/uploads/", 201, auth=LOGIN, params=mounted)
    push_image(at, OTHER, "stable", b"one")
    # A layer that is asked for before it is pushed, and one that was never there.
    at.ask("PUT", f"/v2/{APP}/manifests/broken", 404, auth=LOGIN, content=image(b"nowhere"), headers=_kind(MANIFEST))


def _upload_in_pieces(at: Clients) -> None:
    """In several requests; between them the client asks how far it came."""
    path = at.ask("POST", f"/v2/{APP}/blobs/uploads/", 202, auth=LOGIN).headers["Location"]
    half = len(LARGE) // 2 + 1
    path = at.ask("PATCH", path, 202, auth=LOGIN, content=LARGE[:half]).headers["Location"]
    at.ask("GET", path, 204, auth=LOGIN)
    at.ask("PATCH", path, 416, auth=LOGIN, content=b"elsewhere", headers={"Content-Range": "7-15"})
    path = at.ask("PATCH", path, 202, auth=LOGIN, content=LARGE[half:-9]).headers["Location"]
    at.ask("PUT", path, 201, auth=LOGIN, content=LARGE[-9:], params={"digest": sha256(LARGE)})
    for pieces in ((b"small ", b"pieces"), (b"",)):
        path = at.ask("POST", f"/v2/{APP}/blobs/uploads/", 202, auth=LOGIN).headers["Location"]
        for piece in pieces:
            path = at.ask("PATCH", path, 202, auth=LOGIN, content=piece).headers["Location"]
        at.ask("PUT", path, 201, auth=LOGIN, params={"digest": sha256(b"".join(pieces))})
    at.ask("POST", f"/v2/{APP}/blobs/uploads/", 201, auth=LOGIN, params={"digest": sha256(LARGE)}, content=LARGE)


def _give_up(at: Clients) -> None:
    """Some are cancelled, some fail for their digest, and some are left lying, which the sweep finds."""
    for data in _HALF_DONE:
        path = at.ask("POST", f"/v2/{APP}/blobs/uploads/", 202, auth=LOGIN).headers["Location"]
        path = at.ask("PATCH", path, 202, auth=LOGIN, content=data).headers["Location"]
        at.ask("DELETE", path, 204, auth=LOGIN)
        path = at.ask("POST", f"/v2/{APP}/blobs/uploads/", 202, auth=LOGIN).headers["Location"]
        path = at.ask("PATCH", path, 202, auth=LOGIN, content=data).headers["Location"]
        at.ask("PUT", path, 400, auth=LOGIN, params={"digest": sha256(b"of something else")})
    leave_lying(at)
    push_blob(at, APP, b"that no manifest names")


def leave_lying(at: Clients) -> None:
    """Uploads of which a part came, and some whose end is too short for a part."""
    for data in _HALF_DONE:
        path = at.ask("POST", f"/v2/{APP}/blobs/uploads/", 202, auth=LOGIN).headers["Location"]
        at.ask("PATCH", path, 202, auth=LOGIN, content=data)


def die_while_pushing(at: Clients) -> None:
    """The gateway comes as far as the intent, and as far as the push itself, of which then nobody is told."""
    push_blob(at, APP, b"of one that dies")
    push_blob(at, APP, b"{}")
    for transaction in (1, 2):
        body = image(b"of one that dies", annotations={"at": str(transaction)})
        with at.record.dying_after("TransactWriteItems", transaction):
            put(at, APP, f"died-{transaction}", body)
    with at.record.dying_after("CompleteMultipartUpload"):
        push_blob(at, APP, LARGE + b"of one that dies")


def push_kin(at: Clients) -> tuple[str, str]:
    """An index of a signature that is too large for its row; both are deleted. Digests of index and signature."""
    subject = push_image(at, APP, "subject", b"of which its kin tells")
    about = {"mediaType": MANIFEST, "digest": sha256(subject), "size": len(subject)}
    child = push_image(at, APP, "child", b"kin", subject=about, annotations={"note": "z" * 20_000})
    put(at, APP, "kin", index(child), kind=INDEX)
    for digest in (sha256(index(child)), sha256(child)):
        at.ask("DELETE", f"/v2/{APP}/manifests/{digest}", 202, auth=LOGIN)
    return sha256(index(child)), sha256(child)


def clients_pull(at: Clients) -> None:
    for name, login in ((APP, LOGIN), (PUBLIC, None)):
        for method in ("HEAD", "GET"):
            answer = at.ask(method, f"/v2/{name}/manifests/v1", 200, auth=login)
            at.ask(method, f"/v2/{name}/manifests/{answer.headers['Docker-Content-Digest']}", 200, auth=login)
    at.ask("GET", f"/v2/{APP}/manifests/large", 200, auth=LOGIN)
    at.ask("GET", f"/v2/{APP}/manifests/none", 404, auth=LOGIN)
    path = f"/v2/{APP}/blobs/{sha256(LARGE)}"
    at.ask("HEAD", path, 200, auth=LOGIN)
    at.ask("GET", path, 200, 307, auth=LOGIN)
    at.ask("GET", path, 206, 307, auth=LOGIN, headers={"Range": "bytes=5-9"})
    at.ask("GET", f"/v2/{APP}/blobs/{sha256(b'nowhere')}", 404, auth=LOGIN)


def _list(at: Clients) -> None:
    at.ask("GET", f"/v2/{APP}/tags/list", 200, auth=LOGIN, params={"n": 2})
    at.ask("GET", "/v2/_catalog", 200, auth=LOGIN, params={"n": 2})
    at.ask("GET", f"/v2/{APP}/referrers/{sha256(image(b'two'))}", 200, auth=LOGIN)


def _delete(at: Clients) -> None:
    push_image(at, APP, "going", b"going")
    push_image(at, APP, "gone", b"gone", annotations={"note": "y" * 20_000})
    at.ask("DELETE", f"/v2/{APP}/manifests/going", 202, auth=LOGIN)
    at.ask("DELETE", f"/v2/{APP}/manifests/{sha256(image(b'going'))}", 202, 404, auth=LOGIN)
    signed = push_image(at, APP, "signed", b"signed")
    subject = {"mediaType": MANIFEST, "digest": sha256(signed), "size": len(signed)}
    push_image(at, APP, "its-signature", b"its", subject=subject, artifactType="application/example")
    at.ask("DELETE", f"/v2/{APP}/manifests/{sha256(signed)}", 202, auth=LOGIN)
    # What is in the bin comes back by a push.
    push_image(at, APP, "going", b"going")
    alone = push_blob(at, APP, b"to be deleted alone")
    at.ask("DELETE", f"/v2/{APP}/blobs/{alone}", 202, auth=LOGIN)
    at.ask("DELETE", f"/v2/{APP}/manifests/{sha256(image(b'two'))}", 403, 405, 409, auth=LOGIN)


def push_image(at: Clients, name: str, tag: str, layer: bytes, **more: Any) -> bytes:
    """As clients push: each blob is asked for, and uploaded where it is missing. The manifest's body."""
    for data in (b"{}", layer):
        if at.ask("HEAD", f"/v2/{name}/blobs/{sha256(data)}", 200, 404, auth=LOGIN).status_code == 404:
            push_blob(at, name, data)
    body = image(layer, **more)
    put(at, name, tag, body)
    return body


def push_blob(at: Clients, name: str, data: bytes) -> str:
    digest = sha256(data)
    at.ask("POST", f"/v2/{name}/blobs/uploads/", 201, auth=LOGIN, params={"digest": digest}, content=data)
    return digest


def put(at: Clients, name: str, reference: str, body: bytes, tags: tuple[str, ...] = (), kind: str = MANIFEST) -> None:
    path, query = f"/v2/{name}/manifests/{reference}", {"tag": list(tags)}
    at.ask("PUT", path, 201, auth=LOGIN, content=body, headers=_kind(kind), params=query if tags else None)


def index(*bodies: bytes) -> bytes:
    children = [{"mediaType": MANIFEST, "digest": sha256(body), "size": len(body)} for body in bodies]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}).encode()


def _kind(media_type: str) -> dict[str, str]:
    return {"Content-Type": media_type}
