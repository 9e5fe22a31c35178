"""The vulnerability database, as everybody of an account may see it."""

from __future__ import annotations

from chalicelib.edge.apicall import Call
from chalicelib.edge.endpoint import Routes
from chalicelib.kernel.roles import Right

from . import database_rules
from . import database_store as store
from .database_models import VulnerabilityDatabase

routes = Routes("scanning")


@routes.get("/vulnerability-database", needs=Right.READ_CONTENT)
def show_vulnerability_database(call: Call) -> VulnerabilityDatabase:
    """Show which vulnerability database images are examined with.

    How old it is, and whether looking for a newer one went well.
    """
    table = call.stack.table
    return database_rules.seen(store.pointer(table), store.check(table), call.stack.clock.now())
