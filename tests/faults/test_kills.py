"""R6, X3: the service may be killed at any moment. The whole number is `make campaign-kills`."""

from __future__ import annotations

from pathlib import Path

import pytest

from .kills import Campaign


def test_a_killed_service_has_lost_nothing(tmp_path: Path) -> None:
    """R6, X3"""
    campaign = Campaign(tmp_path, seed=7)
    campaign.run(2)
    assert campaign.acknowledged > 0


@pytest.mark.campaign
def test_a_service_killed_twenty_five_times_has_lost_nothing(tmp_path: Path) -> None:
    """R6, X3"""
    campaign = Campaign(tmp_path, seed=8)
    campaign.run(25)
    assert campaign.acknowledged > 100
