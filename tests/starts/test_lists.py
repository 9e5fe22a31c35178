"""Lists of first files are read as users write and record them, and what is wrong with one is said by line."""

from __future__ import annotations

import pytest

from chalicelib.kernel.errors import Invalid
from chalicelib.starts.lists import MOST_BYTES, MOST_PATHS, checked, parse_list


def test_a_list_is_a_path_a_line() -> None:
    text = "\ufeff# traced\n/usr/bin/python3\r\n\n  usr//lib/./libc.so.6  \n./app/a b.py\n/usr/bin/python3\n/\n/é"
    assert parse_list(text.encode()) == ("usr/bin/python3", "usr/lib/libc.so.6", "app/a b.py", "é")


def test_a_way_up_stays_as_it_was_written() -> None:
    """What stands before it may be a symlink, which leads elsewhere."""
    assert parse_list(b"/usr/bin/../lib/x") == ("usr/bin/../lib/x",)


def test_what_a_recorder_wrote_is_a_list_too() -> None:
    recorded = (
        b'{"path":"usr/bin/env","manifestDigest":"sha256:aa","layerIndex":0}\n'
        b'{"path":"app/caf\\u00e9.py","manifestDigest":"sha256:aa","layerIndex":3}\n'
    )
    assert parse_list(recorded) == ("usr/bin/env", "app/café.py")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a\nb\xff\n", "Line 2 is no UTF-8"),
        (b"a\n\n{path: b}", "Line 3 begins like a recorder's entry"),
        (b"{" * 100_000, "Line 1 begins like a recorder's entry"),
        (b'{"name":"b"}', "Line 1 is a recorder's entry without"),
        (b'{"path":5}', "Line 1 is a recorder's entry without"),
        (b"a\tb", "Line 1 has signs"),
        (b'{"path":"a\\u0000"}', "Line 1 has signs"),
        (b'{"path":"a\\ud800"}', "Line 1 has signs"),
        (b"a\n" + b"b" * 5_000, "Line 2 has 5000 characters"),
        (b"a" * (MOST_BYTES + 1), "The list has 1048577 bytes"),
        (b"\n".join(b"%d" % number for number in range(MOST_PATHS + 1)), "Line 10001 is one too many"),
    ],
)
def test_what_is_wrong_with_a_list_is_said_by_line(data: bytes, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_list(data)
    ((field, said),) = refused.value.fields
    assert (field, said[: len(message)]) == ("files", message)


def test_the_longest_list_is_taken() -> None:
    assert len(parse_list(b"\n".join(b"%d" % number for number in range(MOST_PATHS)))) == MOST_PATHS


def test_paths_told_one_by_one_are_held_to_the_same() -> None:
    assert checked(["/a/./b", "a/b", "c"]) == ("a/b", "c")
    with pytest.raises(Invalid):
        checked(["a\nb"])
    with pytest.raises(Invalid):
        checked(["x" * 4_000 + str(number) for number in range(300)])
