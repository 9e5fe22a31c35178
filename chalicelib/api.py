"""The management API, one line a room: what stands here is registered, documented and tested.

A module of its own, so that functions which only handle events load none of it (CRS_SERVE_API).
"""

from __future__ import annotations

from typing import Final

from .acceleration import api as acceleration
from .access import api as access
from .accounts import api as accounts
from .advice import api as advice
from .audit import api as audit
from .billing import api as billing
from .bindings import api as bindings
from .caching import api as caching
from .charts import api as charts
from .closing import api as closing
from .credentials import api as credentials
from .edge.documentation import documentation
from .edge.endpoint import Routes
from .findings import api as findings
from .immutability import api as immutability
from .instances import api as instances
from .migration import api as migration
from .namespaces import api as namespaces
from .notifications import api as notifications
from .opening import api as opening
from .overview import api as overview
from .pull_policies import api as pull_policies
from .recycling import api as recycling
from .registry import deletions_api as deletions
from .registry import history_api as history
from .registry import kubernetes_api as kubernetes
from .registry import manifests_api as manifests
from .registry import tags_api as tags
from .remotes import api as remotes
from .repositories import api as repositories
from .repositories import shares_api as shares
from .retention import api as retention
from .scanning import api as scanning
from .scanning import database_api as vulnerability_database
from .scanning import documents_api as documents
from .sync import api as sync
from .tasks import api as tasks

API: Final[tuple[Routes, ...]] = (
    documentation(lambda: API),
    accounts.routes,
    instances.routes,
    billing.routes,
    opening.routes,
    access.routes,
    credentials.routes,
    audit.routes,
    namespaces.routes,
    repositories.routes,
    immutability.routes,
    pull_policies.routes,
    findings.routes,
    shares.routes,
    tags.routes,
    history.routes,
    manifests.routes,
    kubernetes.routes,
    deletions.routes,
    retention.routes,
    recycling.routes,
    scanning.routes,
    documents.routes,
    vulnerability_database.routes,
    advice.routes,
    acceleration.routes,
    caching.routes,
    remotes.routes,
    sync.routes,
    charts.routes,
    migration.routes,
    tasks.routes,
    closing.routes,
    overview.routes,
    notifications.routes,
    bindings.routes,
)
