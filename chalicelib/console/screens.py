"""Every page of the console, one line a module."""

from __future__ import annotations

from typing import Final

from .pages import (
    Page,
    accounts,
    allowlist,
    audit,
    billing,
    charts,
    credentials,
    find,
    images,
    immutability,
    instances,
    me,
    namespaces,
    overview,
    provider_sign_in,
    recycle_bin,
    repositories,
    retention,
    retention_runs,
    scans,
    sessions,
    settings,
    sharing,
    start,
    tags,
    users,
    vulnerabilities,
    webhooks,
    workloads,
)

PAGES: Final[tuple[Page, ...]] = tuple(
    page
    for module in (
        sessions,
        instances,
        overview,
        settings,
        billing,
        credentials,
        workloads,
        allowlist,
        sharing,
        webhooks,
        audit,
        namespaces,
        repositories,
        tags,
        images,
        charts,
        accounts,
        find,
        me,
        provider_sign_in,
        start,
        users,
        immutability,
        recycle_bin,
        retention,
        retention_runs,
        scans,
        vulnerabilities,
    )
    for page in module.pages.all
)
