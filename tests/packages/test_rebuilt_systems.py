"""S3: ten real systems, rebuilt from the lists of their packages, give these lists again, field by field."""

from __future__ import annotations

import pytest

from chalicelib.packages.models import OperatingSystem
from tests.packages.layers import image_of
from tests.packages.rebuild import SYSTEMS, listed, rebuilt, system_of
from tests.shared import trivy_fixtures


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_a_rebuilt_image_has_the_packages_of_its_list(name: str) -> None:
    """S3."""
    path = trivy_fixtures() / "packages" / f"{name}.json"
    image = image_of(rebuilt(path))
    family, version = system_of(path)
    assert image.system == OperatingSystem(family=family, name=version)
    assert image.problems == {}
    found = [each.package for each in image.packages]
    for had, wanted in zip(found, listed(path), strict=True):
        assert had == wanted
