"""Types of packages that come from bills of materials and lock files have advisories like those that were installed."""

from __future__ import annotations

import pytest

from chalicelib.advisories.ecosystems import ecosystem_of
from chalicelib.packages.models import Package


@pytest.mark.parametrize(
    ("kind", "prefix"),
    [("cargo", "cargo::"), ("composer", "composer::"), ("nuget", "nuget::"), ("packages-props", "nuget::")],
)
def test_packages_are_looked_up_where_installed_ones_are(kind: str, prefix: str) -> None:
    """S3."""
    ecosystem = ecosystem_of(Package(type=kind, name="a", version="1.0.0"))
    assert ecosystem is not None
    assert ecosystem.prefix == prefix
    assert ecosystem.holds("1.0.0", "<1.0.1")


@pytest.mark.parametrize(
    ("version", "ranges", "holds"),
    [
        ("7.0.1-0", "<7.0.1", False),
        ("7.0.1-0", "<=7.0.1", False),
        ("7.0.0-3", "<7.0.1", True),
        ("7.0.1-2", ">=7.0.1, <7.0.2", True),
        ("7.0.1-9", "<7.0.1-10", True),
        ("7.0.1", ">=7.0.1-0", False),
    ],
)
def test_builds_of_bitnami_are_later_than_the_version_they_build(version: str, ranges: str, holds: bool) -> None:
    """S3."""
    ecosystem = ecosystem_of(Package(type="bitnami", name="redis", version=version))
    assert ecosystem is not None
    assert ecosystem.holds(version, ranges) is holds


def test_nobody_publishes_advisories_for_conda() -> None:
    assert ecosystem_of(Package(type="conda-pkg", name="pip", version="1")) is None
