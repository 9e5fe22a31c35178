"""X2: where a tag has pointed to, and the way back."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.audit.models import Filter
from chalicelib.audit.service import Audit
from chalicelib.collection.service import Fsck
from chalicelib.instances.service import Instances
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.names import Digest, TagName
from chalicelib.kernel.roles import Role
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Update
from tests.background import run_background
from tests.management import Reply
from tests.stacks import FrozenClock

from .images import NAME
from .library import DAY, Library


@pytest.fixture
def library(stack: Stack) -> Library:
    return Library.opened(stack)


def history(library: Library, tag: str = "v1", **query: object) -> list[dict[str, Any]]:
    answer = library.api(Role.READER).get(library.path(f"/tags/{tag}/history"), **query)
    assert answer.status == 200, answer.text
    return list(answer.json()["items"])


def back(library: Library, digest: str, tag: str = "v1", role: Role = Role.DEVELOPER) -> Reply:
    return library.api(role).post(library.path(f"/tags/{tag}/rollback"), {"digest": digest})


def two_pushed(library: Library, clock: FrozenClock) -> tuple[Digest, Digest]:
    """Of tag v1, an hour apart."""
    first = library.push("v1", layers=(b"first",))
    clock.advance(3600)
    return first, library.push("v1", layers=(b"second",))


def test_every_move_is_shown_newest_first_and_the_same_digest_again_is_none(
    library: Library, clock: FrozenClock
) -> None:
    """X2, R6"""
    begun = clock.now()
    first, second = two_pushed(library, clock)
    clock.advance(60)
    library.push("v1", layers=(b"second",))
    newest, oldest = history(library)
    assert newest == {
        "digest": second,
        "previous": first,
        "pushed_at": "2026-01-31T09:00:00.000000Z",
        "pushed_by": "admin",
        "how": "push",
        "current": True,
        "rollback": {"possible": True, "until": None, "reason": ""},
    }
    assert (oldest["digest"], oldest["previous"], oldest["pushed_at"]) == (first, "", to_text(begun))
    assert oldest["current"] is False
    assert oldest["rollback"] == {"possible": True, "until": "2026-02-07T09:00:00.000000Z", "reason": ""}


def test_a_tag_goes_back_and_counts_as_pushed_now(library: Library, clock: FrozenClock) -> None:
    """X2, X1: the image is pulled by the tag again, and an event, a line and an audit entry tell of it."""
    first, second = two_pushed(library, clock)
    library.handle_events()
    clock.advance(6 * DAY)
    answer = back(library, first)
    assert answer.status == 200, answer.text
    assert (answer.json()["digest"], answer.json()["pushed_by"]) == (first, "developer")
    assert answer.json()["pushed_at"] == to_text(clock.now())
    assert library.registry.pull(library.owner, NAME, TagName("v1")).digest == first
    newest = history(library)[0]
    assert (newest["digest"], newest["previous"], newest["how"]) == (first, second, "rollback")
    assert [one["current"] for one in history(library)] == [True, False, False]
    events = library.stack.objects(library.instance.bucket).list(f"{library.instance.id}/pushes/").items
    assert len(events) == 1
    library.handle_events()
    told = Audit(library.stack).search(library.instance.id, Filter(keyword="rollback"), None, 10).items
    assert [(one.action, one.object, one.result) for one in told] == [("rollback", f"v1 to {first}", "succeeded")]


def test_what_it_went_back_to_outlives_the_grace_period_and_what_it_left_does_not(
    library: Library, clock: FrozenClock
) -> None:
    """X2"""
    first, second = two_pushed(library, clock)
    assert back(library, first).status == 200
    for _ in range(3):
        clock.advance(8 * DAY)
        run_background(library.stack)
    assert library.registry.pull(library.owner, NAME, first).digest == first
    left = history(library)[1]
    assert (left["digest"], left["rollback"]["possible"]) == (second, False)
    assert list(Fsck(library.stack, deep=True).run()) == []


def test_after_the_grace_period_going_back_is_refused_saying_since_when(library: Library, clock: FrozenClock) -> None:
    """X2: before the sweeper came, and after."""
    first, _second = two_pushed(library, clock)
    clock.advance(7 * DAY + 1)
    due = back(library, first)
    assert due.status == 409
    assert "nothing has held its content since 2026-02-07T09:00:00" in due.json()["detail"]
    assert history(library)[1]["rollback"]["possible"] is False
    run_background(library.stack)
    gone = back(library, first)
    assert (gone.status, gone.code) == (409, "CONFLICT")
    assert "the tag left it at 2026-01-31T09:00:00" in gone.json()["detail"]
    assert "content is gone" in history(library)[1]["rollback"]["reason"]


def test_content_that_another_tag_holds_can_be_gone_back_to_for_ever(library: Library, clock: FrozenClock) -> None:
    """X2"""
    first, _second = two_pushed(library, clock)
    library.push("keeper", layers=(b"first",))
    clock.advance(30 * DAY)
    before_the_sweep = history(library)[1]["rollback"]
    run_background(library.stack)
    assert history(library)[1]["rollback"] == before_the_sweep == {"possible": True, "until": None, "reason": ""}
    assert back(library, first).status == 200


def test_the_grace_period_stands_still_while_the_instance_is_frozen(library: Library, clock: FrozenClock) -> None:
    """X2, I6"""
    first, _second = two_pushed(library, clock)
    stood_still = Update(keys.instance(library.instance.id), set={"stood_still_s": 2 * DAY})
    library.stack.table.update(stood_still)
    clock.advance(8 * DAY)
    assert history(library)[1]["rollback"]["until"] == "2026-02-09T09:00:00.000000Z"
    assert back(library, first).status == 200


def test_a_deleted_tag_keeps_its_history_and_comes_back_by_it(library: Library, clock: FrozenClock) -> None:
    """X2"""
    first, second = two_pushed(library, clock)
    library.registry.delete(library.owner, NAME, TagName("v1"))
    assert [one["current"] for one in history(library)] == [False, False]
    assert back(library, second).status == 200
    assert library.registry.pull(library.owner, NAME, TagName("v1")).digest == second
    newest = history(library)[0]
    assert (newest["how"], newest["previous"], newest["current"]) == ("rollback", "", True)
    assert back(library, first).status == 200


def test_what_was_deleted_by_digest_comes_back_from_the_recycle_bin_alone(library: Library, clock: FrozenClock) -> None:
    """X2, X1"""
    first, _second = two_pushed(library, clock)
    library.registry.delete(library.owner, NAME, first)
    answer = back(library, first)
    assert answer.status == 409
    assert "recycle bin" in answer.json()["detail"]
    assert "recycle bin" in history(library)[1]["rollback"]["reason"]


def test_going_where_the_tag_is_does_nothing(library: Library, clock: FrozenClock) -> None:
    """X2: so that a call whose answer was lost can be repeated."""
    _first, second = two_pushed(library, clock)
    clock.advance(60)
    answer = back(library, second)
    assert (answer.status, answer.json()["pushed_at"]) == (200, "2026-01-31T09:00:00.000000Z")
    assert len(history(library)) == 2


@pytest.mark.parametrize("tag", ["v2", "-", "no such tag"])
def test_a_tag_that_never_was_has_no_history(library: Library, tag: str) -> None:
    digest = library.push("v1")
    encoded = tag.replace(" ", "%20")
    answer = library.api().get(library.path(f"/tags/{encoded}/history"))
    assert (answer.status, answer.json()["detail"]) == (404, "there is no such tag")
    assert back(library, digest, encoded).json()["detail"] == "there is no such tag"


def test_only_where_the_tag_has_been_it_goes_back_to(library: Library) -> None:
    library.push("v1")
    elsewhere = library.push("v2", layers=(b"another",))
    answer = back(library, elsewhere)
    assert answer.status == 404
    assert "never pointed" in answer.json()["detail"]
    wrong = back(library, "sha256:short")
    assert (wrong.status, wrong.json()["errors"][0]["field"]) == (400, "digest")


def test_readers_see_the_way_back_and_do_not_go_it(library: Library, clock: FrozenClock) -> None:
    """G5"""
    first, _second = two_pushed(library, clock)
    assert back(library, first, role=Role.READER).status == 403


def test_a_copy_says_so(library: Library) -> None:
    """X2, N5"""
    library.push("v1")
    assert library.api().post(library.path("/tags/v1/copies"), {"tag": "v2"}).status == 201
    assert [one["how"] for one in history(library, "v2")] == ["copy"]


def test_an_index_goes_back_whole(library: Library, clock: FrozenClock) -> None:
    """X2: its images were held by it all the time."""
    images = [(library.push(layers=(name,)), "linux/amd64") for name in (b"one", b"two", b"three")]
    first = library.push_index(*images[:2], tag="multi")
    clock.advance(60)
    library.push_index(images[2], tag="multi")
    clock.advance(6 * DAY)
    run_background(library.stack)
    assert back(library, first, "multi").status == 200
    clock.advance(20 * DAY)
    run_background(library.stack)
    for digest in (first, images[0][0], images[1][0]):
        assert library.registry.pull(library.owner, NAME, digest).digest == digest


def test_pages_of_a_long_history_are_one_query_each_and_come_whole(library: Library, clock: FrozenClock) -> None:
    """X2"""
    pushed = []
    for number in range(7):
        pushed.append(library.push("v1", layers=(b"%d" % number,)))
        clock.advance(60)
    api, found, cursor = library.api(), list[str](), None
    while True:
        more: dict[str, object] = {"cursor": cursor} if cursor else {}
        answer = api.get(library.path("/tags/v1/history"), limit=3, **more).json()
        found.extend(one["digest"] for one in answer["items"])
        assert [one["current"] for one in answer["items"]].count(True) == (cursor is None)
        cursor = answer["next"]
        if cursor is None:
            break
    assert found == pushed[::-1]
    assert api.get(library.path("/tags/v1/history"), cursor="made up").status == 400
    assert Instances(library.stack).usage(library.instance).repositories.used == 1


def test_a_history_is_searched_and_read_from_its_beginning(library: Library, clock: FrozenClock) -> None:
    """X2, C1: what is current is said wherever it stands."""
    first, second = two_pushed(library, clock)
    oldest, newest = history(library, sort="pushed_at")
    assert [(oldest["digest"], oldest["current"]), (newest["digest"], newest["current"])] == [
        (first, False),
        (second, True),
    ]
    assert [one["digest"] for one in history(library, search=first[7:20])] == [first]
    assert len(history(library, search="ADMIN")) == 2
    assert history(library, search="nobody") == []
    assert library.api().get(library.path("/tags/v1/history"), search="admin", cursor="made up").status == 400
