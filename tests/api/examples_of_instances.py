"""Example calls of endpoints that open instances and look at them whole, by the endpoint's name."""

from __future__ import annotations

from tests.management import PASSWORD
from tests.stacks import make_instance

from .world import Ask, Place, example, fresh


@example
def list_buckets(at: Place) -> Ask:
    at.bucket()
    return Ask(query={"limit": 1})


@example
def open_instance(at: Place) -> Ask:
    at.create("/account/top-ups", {"amount": 10_000})
    body = {
        "name": fresh("acme"),
        "edition": "enterprise",
        "bucket": at.bucket(),
        "username": "admin",
        "password": PASSWORD,
        "months": 1,
        "auto_renew": True,
    }
    return Ask(body=body)


@example
def show_overview(at: Place) -> Ask:
    return Ask(at.here(), query={"days": 2})


@example
def show_instance_losses(at: Place) -> Ask:
    return Ask(at.here())


@example
def delete_instance(at: Place) -> Ask:
    doomed = make_instance(at.stack, fresh("doomed"), account_id=at.account, bucket=at.instance.bucket)
    return Ask({"instance": doomed.id}, query={"confirm": doomed.name})
