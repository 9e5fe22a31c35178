"""What one process remembers, and what it forgets."""

from __future__ import annotations

from chalicelib.identity.recent import Recent


def test_the_oldest_make_room_for_the_newest() -> None:
    recent: Recent[str, int] = Recent(2)
    for number, name in enumerate(("one", "two", "three")):
        recent.put(name, number)
    assert [recent.get(name) for name in ("one", "two", "three")] == [None, 1, 2]


def test_what_has_ended_does_not_wait_for_the_room_to_be_needed() -> None:
    """I8: tokens of minutes do not fill the memory of days."""
    recent: Recent[str, int] = Recent(100)
    for until in (10, 20, 30):
        recent.put(f"until {until}", until)
    recent.forget_oldest(lambda until: until <= 20)
    assert [recent.get(f"until {until}") for until in (10, 20, 30)] == [None, None, 30]
