"""Images are brought from one place to another: to another namespace, another instance and another service, and from
there, in spite of all that may happen meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

from chalicelib.caching import arrivals
from chalicelib.copying import local, moving
from chalicelib.kernel.roles import Role
from chalicelib.ports import keys
from tests.api.world import Place, World
from tests.ports_remote.foreign import Foreign, foreign
from tests.registry.images import image
from tests.registry.wire import INDEX, sha256
from tests.serving import Service

from .functions import Clients, Functions
from .story_of_clients import LOGIN, index, push_image, put
from .story_of_owners import Owner

APP: Final = "made/app"
# Two parts and an end that is shorter than one.
_LARGE: Final = random.Random(3).randbytes(11_000_000)
_PIECE: Final = 6 * 1024 * 1024


def images_travel(aws: Functions, world: World, places: tuple[Place, Place], elsewhere: Service) -> None:
    """From each of the two instances, whose buckets are two, to the other one, and to the service elsewhere."""
    aws.variables.setattr(moving, "ThreadPoolExecutor", _one_by_one)
    aws.variables.setattr(local, "PIECE_BYTES", _PIECE)
    # The queues here know no other clock than the machine's.
    aws.variables.setattr(arrivals, "FIRST_LOOK_S", 0)
    owners = [Owner(aws, world.carried(world.somebody(Role.OWNER)), place.path) for place in places]
    for owner in owners:
        for name in ("made", "shipped", "arrived", "brought"):
            owner.ask("POST", "/namespaces", {"name": name, "auto_create_repository": True})
    for owner, here, there in zip(owners, places, reversed(places), strict=True):
        with aws.clients(here.instance.label) as clients:
            for rule in _are_synchronised(aws, owner, clients, there, elsewhere):
                owner.ask("DELETE", f"/sync-rules/{rule}")
            _meet_trouble(aws, owner, clients, here, there)
        _are_migrated(aws, owner, elsewhere)
        with aws.clients(here.instance.label) as clients:
            _are_pulled_through(aws, owner, clients, elsewhere)


def _one_by_one(_most: int, name: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, name)


def _are_synchronised(
    aws: Functions, owner: Owner, clients: Clients, there: Place, elsewhere: Service
) -> tuple[str, ...]:
    """Ids of the rules."""
    login = {"username": elsewhere.username, "password": elsewhere.password}
    owner.ask("POST", "/remotes", {"name": "elsewhere", "address": elsewhere.url, **login})
    assert owner.ask("POST", "/remotes/elsewhere/test")["result"] == "ok"
    targets = ((owner.path.rpartition("/")[2], "shipped"), (there.instance.id, "arrived"), ("elsewhere", "library"))
    rules = tuple(_rule(owner, *target) for target in targets)
    body = _push_family(clients)
    aws.settle()
    assert _ended(owner) == {"succeeded"}
    shown = owner.ask("GET", "/namespaces/shipped/repositories/app/tags")["items"]
    assert {tag["tag"]: tag["digest"] for tag in shown}["multi"] == sha256(body)
    # Tags that move, and are moved by others at the target.
    push_image(clients, APP, "v1", b"another one")
    push_image(clients, "shipped/app", "v2", b"of somebody else")
    push_image(clients, APP, "v2", b"the next one")
    aws.settle()
    owner.ask("POST", "/sync-tasks", {**_order(there.instance.id, "arrived"), "override": True})
    # Of which nobody is told.
    lost = aws.stack.queues.receive("transfers", most=10)
    assert lost
    aws.stack.queues.complete(lost)
    aws.pass_time(3600)
    assert _ended(owner) == {"succeeded"}
    return rules


def _push_family(clients: Clients) -> bytes:
    """An index of an image and a large one, and a signature of it that is too large for its row."""
    one, other = (push_image(clients, APP, tag, data) for tag, data in (("v1", b"small"), ("large", _LARGE)))
    both = index(one, other)
    put(clients, APP, "multi", both, kind=INDEX)
    about = {"mediaType": INDEX, "digest": sha256(both), "size": len(both)}
    more: dict[str, Any] = {"subject": about, "annotations": {"note": "x" * 20_000}}
    push_image(clients, APP, "signature", b"a signature", **more)
    return both


def _meet_trouble(aws: Functions, owner: Owner, clients: Clients, here: Place, there: Place) -> None:
    """A blob's bytes are gone, as no crash leaves them; a function dies with the copy made and not yet known."""
    order = _order(there.instance.id, "arrived")
    lost, copied = (f"{what} in {here.instance.id}".encode() for what in ("lost", "copied by one that dies"))
    push_image(clients, "made/lost", "v1", lost)
    _lose(aws, here, sha256(lost))
    failed = owner.ask("POST", "/sync-tasks", order)
    aws.settle()
    assert owner.ask("GET", f"/tasks/{failed['id']}")["state"] == "failed"
    owner.ask("DELETE", "/namespaces/made/repositories/lost/tags/v1")
    push_image(clients, "made/died", "v1", copied)
    died = owner.ask("POST", "/sync-tasks", order)
    (delivery,) = aws.stack.queues.receive("transfers", most=10)
    with aws.record.dying_after("CopyObject"):
        aws.call("transfers", _event(delivery.body))
    aws.stack.queues.complete([delivery])
    aws.pass_time(3600)
    assert owner.ask("GET", f"/tasks/{died['id']}")["state"] == "succeeded"


def _are_migrated(aws: Functions, owner: Owner, elsewhere: Service) -> None:
    """By image-syncer's files from the service elsewhere, in pieces; and from one that lies."""
    auth = {elsewhere.host: {"username": elsewhere.username, "password": elsewhere.password, "insecure": True}}
    images = {f"{elsewhere.host}/library/app": "brought/app"}
    with _in_pieces(aws):
        assert _migrated(aws, owner, images, auth) == "succeeded"
    assert owner.ask("GET", "/namespaces/brought/repositories/app/tags")["items"]
    with foreign() as liar:
        _lie(liar)
        auth = {f"127.0.0.1:{liar.port}": {"username": "", "password": "", "insecure": True}}
        assert _migrated(aws, owner, {f"127.0.0.1:{liar.port}/owner/app:v1": "brought/lies"}, auth) == "failed"


def _are_pulled_through(aws: Functions, owner: Owner, clients: Clients, elsewhere: Service) -> None:
    """From the service elsewhere: by tag and by digest, a layer before and after it is here; then the tag moves."""
    owner.ask("POST", "/namespaces", {"name": "hub", "auto_create_repository": True})
    login = {"username": elsewhere.username, "password": elsewhere.password}
    upstream = {"namespace": "hub", "upstream": f"{elsewhere.host}/library", "ttl_seconds": 0, **login}
    owner.ask("POST", "/caches", upstream)
    for layer in ("before", "after"):
        child = clients.ask("GET", "/v2/hub/app/manifests/multi", 200, auth=LOGIN).json()["manifests"][1]["digest"]
        body = clients.ask("GET", f"/v2/hub/app/manifests/{child}", 200, auth=LOGIN).json()
        large = body["layers"][0]["digest"]
        answer = clients.ask("GET", f"/v2/hub/app/blobs/{large}", 200, 307, auth=LOGIN)
        assert answer.status_code == 307 or sha256(answer.content) == large, layer
        for tag in ("v1", "v2", "nowhere"):
            clients.ask("GET", f"/v2/hub/app/manifests/{tag}", 200, 404, auth=LOGIN)
        aws.settle()
        aws.pass_time(60)
    shown = owner.ask("GET", "/namespaces/hub/repositories/app/tags")["items"]
    assert {tag["tag"] for tag in shown} == {"multi", "v1", "v2"}


def _lie(registry: Foreign) -> None:
    """It has a large layer, and sends another one of its size."""
    registry.add(b"{}")
    registry.lies[registry.add(_LARGE)] = _LARGE[:-1] + b"!"
    registry.tags["v1"] = image(_LARGE)


def _migrated(aws: Functions, owner: Owner, images: dict[str, Any], auth: dict[str, Any]) -> str:
    task = owner.ask("POST", "/migrations", {"images": images, "auth": auth})
    aws.settle()
    for _ in range(8):
        aws.pass_time(300)
    return str(owner.ask("GET", f"/tasks/{task['id']}")["state"])


@contextmanager
def _in_pieces(aws: Functions) -> Iterator[None]:
    """A step sends one piece of a blob, the next goes on with it."""
    go_on: Callable[[Any], bool] = moving._Pieces.go_on
    aws.variables.setattr(moving._Pieces, "go_on", lambda pieces: False)
    try:
        yield
    finally:
        aws.variables.setattr(moving._Pieces, "go_on", go_on)


def _lose(aws: Functions, place: Place, digest: str) -> None:
    head = aws.stack.table.get(keys.head(place.instance.id, digest))
    assert head is not None
    bucket = aws.stack.objects(place.instance.bucket)
    (key,) = [one.key for one in bucket.list(f"{place.instance.id}/blobs/").items if head["generation"] in one.key]
    bucket.delete(key)


def _rule(owner: Owner, target: str, namespace: str) -> str:
    return str(owner.ask("POST", "/sync-rules", {"name": f"to {namespace}", **_order(target, namespace)})["id"])


def _order(target: str, namespace: str) -> dict[str, Any]:
    return {"source_namespace": "made", "target_instance": target, "target_namespace": namespace}


def _ended(owner: Owner) -> set[str]:
    return {task["state"] for task in owner.ask("GET", "/sync-tasks", limit=100)["items"]}


def _event(body: str) -> dict[str, Any]:
    record = {"messageId": "1", "body": body, "attributes": {}, "messageAttributes": {}, "receiptHandle": "1"}
    source = {"eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:transfers"}
    return {"Records": [{**record, **source}]}
