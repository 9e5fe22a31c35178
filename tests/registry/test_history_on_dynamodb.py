"""X2: a tag's history and the way back on DynamoDB's own words, in process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.kernel.names import TagName
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.background import run_background
from tests.ports_aws.adapters import open_moto_table
from tests.stacks import FrozenClock, embedded_stack, with_table

from .images import NAME
from .library import DAY, Library


@pytest.fixture
def stack(tmp_path: Path, clock: FrozenClock) -> Iterator[Stack]:
    with embedded_stack(tmp_path, clock) as opened, open_moto_table(tmp_path) as table:
        yield with_table(opened, table)


def test_a_tag_goes_back_while_its_content_is_held(stack: Stack, clock: FrozenClock) -> None:
    """X2"""
    library = Library.opened(stack)
    api, path = library.api(Role.DEVELOPER), library.path("/tags/v1")
    pushed = []
    for layer in (b"first", b"second", b"third"):
        pushed.append(library.push("v1", layers=(layer,)))
        clock.advance(60)
    first_page = api.get(f"{path}/history", limit=2).json()
    second_page = api.get(f"{path}/history", limit=2, cursor=first_page["next"]).json()
    assert [one["digest"] for one in (*first_page["items"], *second_page["items"])] == pushed[::-1]
    assert second_page["next"] is None
    assert api.post(f"{path}/rollback", {"digest": pushed[0]}).status == 200
    assert library.registry.pull(library.owner, NAME, TagName("v1")).digest == pushed[0]
    assert api.get(f"{path}/history").json()["items"][0]["how"] == "rollback"
    clock.advance(8 * DAY)
    run_background(stack)
    api = library.api(Role.DEVELOPER)
    refused = api.post(f"{path}/rollback", {"digest": pushed[1]})
    assert (refused.status, refused.code) == (409, "CONFLICT")
    assert api.post(f"{path}/rollback", {"digest": pushed[0]}).status == 200
