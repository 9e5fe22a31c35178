"""Which passwords people may choose."""

from __future__ import annotations

import secrets
import time

import pytest

from chalicelib.identity.passwords import weakness


@pytest.mark.parametrize(
    ("password", "says"),
    [
        ("", "bytes"),
        ("short-one-1", "bytes"),
        ("x1" * 513, "bytes"),
        ("\u20ac" * 342, "bytes"),
        ("aaaaaaaaaaaaaaaa", "repeat"),
        ("k7Qk7Qk7Qk7Q", "repeat"),
        ("ann.smith-2026!", "user name"),
        ("ANN.SMITHANN.SMITH", "user name"),
        ("password123456", "commonest"),
        ("P@ssw0rd-2026!", "commonest"),
        ("Administrator1", "commonest"),
        ("qwertyuiop1234", "commonest"),
        ("123456789012345", "commonest"),
        ("welcome-welcome1", "commonest"),
    ],
)
def test_what_guessers_try_first_is_refused(password: str, says: str) -> None:
    assert says in weakness(password, "ann.smith")


@pytest.mark.parametrize(
    "password",
    [
        "correct-horse-battery-42",
        "vier Worte reichen aus",
        "пароль-длинный",
        "密码要够长才行",
        "my-own-Password-9",
        "x7#kQ!mz2Lp9",
        "ann.smith likes blue boats",
    ],
)
def test_length_and_anything_of_ones_own_is_enough(password: str) -> None:
    assert weakness(password, "ann.smith") == ""


def test_short_user_names_may_be_in_a_password_by_chance() -> None:
    assert weakness("blue boats at noon", "at") == ""


def test_generated_passwords_always_pass() -> None:
    assert {weakness(secrets.token_urlsafe(24), "admin") for _ in range(2000)} == {""}


def test_longest_passwords_are_judged_quickly() -> None:
    """The texts that would make a careless pattern or search slow."""
    for text in ("ab" * 511 + "ac", "a" * 1023 + "b", "password" * 127 + "abcdefgh", "\u0130" * 512):
        begun = time.process_time()
        assert weakness(text, "ab")
        # It takes 0.1 ms; what grows with the square of the length would take a thousand times as long.
        assert time.process_time() - begun < 0.05
