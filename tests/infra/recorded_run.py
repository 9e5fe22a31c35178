"""A run of everything the service does on AWS, and which rights each of its functions and the gateway made use of.

    python -m tests.infra.recorded_run             writes `recorded_calls.json` beside this file
    python -m tests.infra.recorded_run other.json  writes another file

It takes about four minutes. Ids, times and order leave no trace in what is written.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from chalicelib.access.service import Access
from chalicelib.billing.models import NewTopUp
from chalicelib.billing.service import Billing
from chalicelib.collection import service as collection
from chalicelib.credentials.service import Credentials
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.roles import Role
from chalicelib.ports import paths
from tests.api.world import NAMESPACE, Place, World, fresh
from tests.management import PASSWORD
from tests.notifications.receiver import Receiver, receiving
from tests.ports_remote.foreign import foreign
from tests.registry.wire import sha256
from tests.serving import Service, serving
from tests.stacks import make_instance, make_namespace

from .functions import Functions, functions
from .recorded_calls import RECORDED, Rights, write
from .story_of_accelerations import images_are_accelerated
from .story_of_clients import (
    APP,
    LOGIN,
    clients_come_and_go,
    clients_pull,
    die_while_pushing,
    leave_lying,
    push_image,
    push_kin,
)
from .story_of_owners import Owner, are_refused, ask_everything
from .story_of_scans import Source, images_are_judged_again, images_are_scanned
from .story_of_transfers import images_travel

DAY_S: Final = 86_400
# Nobody reads these logs.
_AS_LAMBDA: Final = {"AWS_LAMBDA_FUNCTION_NAME": "recorded", "POWERTOOLS_LOG_LEVEL": "CRITICAL"}
_CUSTOMER_PREFIX: Final = "customer-"


def record() -> Rights:
    with foreign() as registry, receiving() as receiver, TemporaryDirectory() as folder:
        source = Source(registry)
        source.publish()
        with serving(Path(folder) / "elsewhere") as elsewhere:
            return _recorded(source, receiver, elsewhere)


def _recorded(source: Source, receiver: Receiver, elsewhere: Service) -> Rights:
    with functions(source.reference) as aws:
        world = World(aws.stack, aws.make_bucket, aws.api)
        make_namespace(aws.stack, world.home.instance, "open", default_visibility="public")
        ask_everything(aws, world, world.home)
        at_customers = _opened(aws, world)
        ask_everything(aws, world, at_customers, about_objects=True)
        aws.settle()
        personal = _personal(aws, world)
        for place in (world.home, at_customers):
            _lives(aws, world, place, receiver, source)
        with aws.clients(personal.instance.label) as clients:
            clients_come_and_go(clients)
        _time_passes(aws, world, receiver, (world.home, at_customers, personal))
        images_are_judged_again(aws, source)
        images_travel(aws, world, (world.home, at_customers), elsewhere)
        _instances_end(aws, world, at_customers)
        return aws.record.rights


def _opened(aws: Functions, world: World) -> Place:
    """An enterprise instance that an owner opens in a bucket of their own."""
    # Of a session that is not over yet.
    home = replace(world.home, owner=world.somebody(Role.OWNER))
    home.create("/account/top-ups", {"amount": 100_000})
    bucket = _CUSTOMER_PREFIX + fresh()
    aws.make_bucket(bucket)
    aws.stack.ownership.adopt(bucket, home.account)
    wanted = {"name": fresh("acme"), "edition": "enterprise", "bucket": bucket, "username": LOGIN[0],
              "password": PASSWORD, "months": 1}  # fmt: skip
    made = world.carried(home.owner).post("/instances", wanted)
    assert made.status == 201, made.text
    instance = Instances(aws.stack).load(made.json()["id"])
    instance = Instances(aws.stack).change(instance, namespace_limit=1000, repository_limit=1000)
    return _place(aws, home, instance)


def _place(aws: Functions, home: Place, instance: Instance) -> Place:
    make_namespace(aws.stack, instance, NAMESPACE)
    make_namespace(aws.stack, instance, "open", default_visibility="public")
    return Place(aws.stack, home.account, instance, home.owner, home.operator, aws.make_bucket)


def _personal(aws: Functions, world: World) -> Place:
    home = world.home
    instance = make_instance(aws.stack, fresh("mine"), "personal", account_id=home.account, bucket=aws.settings.bucket)
    Credentials(aws.stack).create(instance, *LOGIN)
    return _place(aws, home, instance)


def _lives(aws: Functions, world: World, place: Place, receiver: Receiver, source: Source) -> None:
    """Weeks of an instance's life, but for the time that passes in them."""
    owner = Owner(aws, world.carried(place.owner), place.path)
    owner.watch(receiver.url)
    with aws.clients(place.instance.label) as clients:
        clients_come_and_go(clients)
        aws.settle()
        images_are_scanned(aws, owner, clients, source)
        images_are_accelerated(aws, owner, clients)
        owner.copies()
        owner.fixes(clients)
        owner.retains(clients)
        owner.restores_manifests()
        owner.deletes(clients)
        owner.lets_in(clients, world.carried(world.guest))
    are_refused(world, place)
    # Open to everybody, pulls leave as links.
    for entry in Access(aws.stack).entries(place.instance):
        Access(aws.stack).remove(place.instance, entry.id, open_to_everyone=True)
    with aws.clients(place.instance.label) as clients:
        clients_pull(clients)


def _time_passes(aws: Functions, world: World, receiver: Receiver, places: tuple[Place, ...]) -> None:
    """Servers of users are down for a while; events get lost; what is due comes due, more than one message clears."""
    aws.variables.setattr(collection, "BATCH", 10)
    receiver.statuses += [500, 503]
    for place in places:
        owner = Owner(aws, world.carried(place.owner), place.path)
        with aws.clients(place.instance.label) as clients:
            push_image(clients, "library/lost", "v1", b"nobody is told of this push")
            index, _ = push_kin(clients)
            aws.settle()
            owner.dies_restoring(index)
            die_while_pushing(clients)
    # EventBridge loses them all: the outbox tells of them, and its objects come twice.
    lost = list(aws.record.pushes)
    aws.record.pushes.clear()
    aws.pass_time(61)
    for bucket, key in lost:
        aws.object_created(bucket, key)
    aws.pass_time(3600)
    for days in (1.1, 2, 5, 2, 2):
        aws.pass_time(days * DAY_S)


def _instances_end(aws: Functions, world: World, at_customers: Place) -> None:
    """One renews itself, one cannot pay, one is forgotten and given up, one is deleted by its owner."""
    stack, now = aws.stack, aws.clock.now()
    tomorrow = now + timedelta(days=1)
    for account, money in (("others", 10_000), ("guests", 0)):
        make_instance(
            stack, fresh("paid"), account_id=account, bucket=aws.settings.bucket, auto_renew=True, expires_at=tomorrow
        )
        if money:
            Billing(stack).top_up(account, NewTopUp(amount=Decimal(money)), "owner")
    aws.pass_time(60)
    _freezes(aws, world, at_customers)
    for place in (world.home, _opened(aws, world)):
        _is_deleted(aws, world, place)
    for _ in range(3):
        aws.pass_time(DAY_S)


def _is_deleted(aws: Functions, world: World, place: Place) -> None:
    """With uploads under way, an event that is not handled yet, and a probe that somebody died of."""
    with aws.clients(place.instance.label) as clients:
        push_image(clients, APP, "last", b"the last layer")
        leave_lying(clients)
    aws.record.pushes.clear()
    aws.stack.objects(place.instance.bucket).put(paths.probe(place.instance.id, new_id()), b"")
    owner = Owner(aws, world.carried(world.somebody(Role.OWNER)), place.path)
    owner.ask("DELETE", "", confirm=place.instance.name)
    aws.settle()


def _freezes(aws: Functions, world: World, place: Place) -> None:
    """Its bin and its webhooks stand still while it is frozen; after half a month it goes with all it holds."""
    expires_at = Instances(aws.stack).load(place.instance.id).expires_at
    assert expires_at is not None
    aws.pass_time((expires_at - aws.clock.now()).total_seconds() - 3600)
    with aws.clients(place.instance.label) as clients:
        body = push_image(clients, "library/late", "v1", b"late")
        push_image(clients, "library/late", "v2", b"later")
        clients.ask("DELETE", f"/v2/library/late/manifests/{sha256(body)}", 202, auth=LOGIN)
        clients.ask("DELETE", "/v2/library/late/manifests/v2", 202, auth=LOGIN)
    aws.pass_time(7200)
    with aws.clients(place.instance.label) as clients:
        clients.ask("GET", "/v2/library/late/manifests/v1", 403, 404, auth=LOGIN)
    for days in (9, 7, 1, 1):
        aws.pass_time(days * DAY_S)


def main(arguments: list[str]) -> None:
    if not _AS_LAMBDA.keys() <= os.environ.keys():
        # The app looks at them when it is imported, which it was by now.
        command = [sys.executable, "-m", "tests.infra.recorded_run", *arguments]
        subprocess.run(command, env=os.environ | _AS_LAMBDA, check=True)
        return
    write(record(), Path(arguments[0]) if arguments else RECORDED)


if __name__ == "__main__":
    main(sys.argv[1:])
