"""User names and passwords: right, wrong, remembered, guessed at."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chalicelib.credentials.robots import Robots
from chalicelib.credentials.service import Credentials
from chalicelib.identity import passwords
from chalicelib.identity.throttle import LIMITS
from chalicelib.kernel.errors import Conflict, Invalid, NotFound, Throttled, Unauthenticated, Unavailable
from chalicelib.kernel.principal import ANONYMOUS
from chalicelib.ports import keys
from tests.credentials.conftest import HOME, Desk, basic_header
from tests.stacks import embedded_stack, make_instance

ELSEWHERE = "203.0.113.9"


def fails(desk: Desk, password: str, address: str = ELSEWHERE, username: str = "admin") -> None:
    with pytest.raises(Unauthenticated):
        desk.credentials.basic(desk.instance, username, password, address)


def guess(desk: Desk, count: int, address: str = ELSEWHERE, username: str = "admin", series: str = "") -> None:
    for number in range(count):
        fails(desk, f"wrong {series}{number}", address, username)


def test_the_right_password_is_its_holder(desk: Desk) -> None:
    """G3"""
    principal = desk.credentials.basic(desk.instance, "admin", "secret", HOME)
    assert (principal.kind, principal.name, principal.instance_id) == ("primary", "admin", desk.instance.id)
    assert principal.grants is None


def test_a_password_counts_in_its_own_instance_alone(desk: Desk) -> None:
    """G3"""
    desk.credentials.basic(desk.instance, "admin", "secret", HOME)
    with pytest.raises(Unauthenticated):
        desk.credentials.basic(make_instance(desk.stack, "other"), "admin", "secret", HOME)


def test_every_byte_of_a_long_password_counts(desk: Desk) -> None:
    """G3: some hashes look at the first 72 only."""
    desk.credentials.create(desk.instance, "long", "x" * 1023 + "y")
    desk.credentials.basic(desk.instance, "long", "x" * 1023 + "y", HOME)
    fails(desk, "x" * 1023 + "z", username="long")


@pytest.mark.parametrize("password", ["", "x" * 1025, "é" * 513])
def test_what_can_be_no_password_is_refused_before_it_costs_a_hash(desk: Desk, password: str) -> None:
    """G3"""
    fails(desk, password)
    with pytest.raises(Unauthenticated):
        desk.credentials.recall(desk.instance, basic_header(password=password))
    assert desk.hashes == 0


def test_a_checked_pair_costs_its_hash_once_in_five_minutes(desk: Desk) -> None:
    """R2"""
    for _ in range(3):
        desk.credentials.basic(desk.instance, "admin", "secret", HOME)
    desk.clock.advance(299)
    Credentials(desk.stack).basic(desk.instance, "admin", "secret", HOME)
    assert desk.hashes == 1
    desk.clock.advance(2)
    desk.credentials.basic(desk.instance, "admin", "secret", HOME)
    assert desk.hashes == 2


def test_a_wrong_pair_costs_its_hash_once_too(desk: Desk) -> None:
    """R2: a program with an old password must not keep a processor busy, nor be taken for somebody guessing."""
    for _ in range(40):
        fails(desk, "old")
    assert desk.hashes == 1


def test_many_first_requests_at_once_cost_one_hash(desk: Desk) -> None:
    """R2"""
    with ThreadPoolExecutor(40) as threads:
        list(threads.map(lambda _: desk.credentials.basic(desk.instance, "admin", "secret", HOME), range(40)))
    assert desk.hashes == 1


def test_what_is_remembered_is_told_without_a_hash(desk: Desk) -> None:
    """R2"""
    assert desk.credentials.recall(desk.instance, None) is ANONYMOUS
    assert desk.credentials.recall(desk.instance, basic_header()) is None
    principal = desk.credentials.authenticate(desk.instance, basic_header(), HOME)
    assert desk.credentials.recall(desk.instance, basic_header()) == principal
    assert desk.hashes == 1


def test_a_reset_password_ends_the_old_one_at_once(tmp_path: Path, desk: Desk) -> None:
    """G3: in this process and in others on the machine, remembered or not."""
    with embedded_stack(tmp_path, desk.clock) as stack:
        other = Credentials(stack)
        for credentials in (desk.credentials, other):
            credentials.basic(desk.instance, "admin", "secret", HOME)
        desk.credentials.reset_password(desk.instance.id, "admin", "new")
        for credentials in (desk.credentials, other):
            for fresh in (True, False):
                with pytest.raises(Unauthenticated):
                    credentials.basic(desk.instance, "admin", "secret", HOME, fresh=fresh)
            credentials.basic(desk.instance, "admin", "new", HOME)


def test_a_password_reset_to_one_that_was_refused_is_believed(desk: Desk) -> None:
    """G3: remembered refusals end with the version too."""
    fails(desk, "new", HOME)
    desk.credentials.reset_password(desk.instance.id, "admin", "new")
    desk.credentials.basic(desk.instance, "admin", "new", HOME)


def test_a_credential_made_after_a_refusal_is_believed(desk: Desk) -> None:
    """G3"""
    fails(desk, "secret", HOME, "robot")
    desk.credentials.create(desk.instance, "robot", "secret")
    assert desk.credentials.basic(desk.instance, "robot", "secret", HOME).name == "robot"


def test_credentials_are_made_once_and_reset_only_where_they_are(desk: Desk) -> None:
    """G3"""
    with pytest.raises(Conflict):
        desk.credentials.create(desk.instance, "admin", "other")
    with pytest.raises(NotFound):
        desk.credentials.reset_password(desk.instance.id, "nobody", "other")
    desk.credentials.basic(desk.instance, "admin", "secret", HOME)


def test_a_bad_user_name_and_a_bad_password_are_named_together(desk: Desk) -> None:
    """G3, I2"""
    with pytest.raises(Invalid) as refused:
        desk.credentials.create(desk.instance, "a:b", "")
    assert [field for field, _ in refused.value.fields] == ["username", "password"]


@pytest.mark.usefixtures("production_hashes")
def test_the_table_holds_no_password_and_a_memory_hard_hash(desk: Desk) -> None:
    """G3"""
    item = desk.stack.table.get(keys.credential(desk.instance.id, "admin"))
    assert item is not None
    assert item["password_hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert "secret" not in str(item)


@pytest.mark.usefixtures("production_hashes")
def test_a_user_name_that_does_not_exist_costs_the_same_and_says_the_same(desk: Desk) -> None:
    """G3: neither words nor work tell who exists, nor who is a robot whose right password costs no hash. (The median of
    three: other work runs on this machine.)"""
    Robots(desk.stack).create(desk.instance, "robot", None, [], None, "owner")
    answers, spent = {}, {}
    for username in ("admin", "nobody", "robot"):
        times = []
        for number in range(3):
            began = time.thread_time()
            with pytest.raises(Unauthenticated) as refused:
                desk.credentials.basic(desk.instance, username, f"wrong {number}", ELSEWHERE)
            times.append(time.thread_time() - began)
            answers[username] = (refused.value.message, refused.value.detail)
        spent[username] = sorted(times)[1]
    assert answers["admin"] == answers["nobody"] == answers["robot"]
    assert desk.hashes == 9
    assert 0.4 < spent["nobody"] / spent["admin"] < 2.5
    assert 0.4 < spent["robot"] / spent["admin"] < 2.5


def test_ten_distinct_wrong_passwords_close_a_user_name_for_growing_times(desk: Desk) -> None:
    """G3, DESIGN §7: and what is throttled is not hashed."""
    guess(desk, LIMITS["login"])
    pauses = []
    for number in range(4):
        before = desk.hashes
        with pytest.raises(Throttled) as refused:
            desk.credentials.basic(desk.instance, "admin", f"later {number}", ELSEWHERE)
        assert desk.hashes == before
        pauses.append(refused.value.retry_after_s)
        desk.clock.advance(refused.value.retry_after_s)
        fails(desk, f"later {number}")
    assert pauses == [30, 60, 120, 240]


def test_a_throttled_user_name_is_the_same_whether_it_exists_or_not(desk: Desk) -> None:
    """G3"""
    answers = []
    for username, address in (("admin", ELSEWHERE), ("nobody", "203.0.113.10")):
        guess(desk, LIMITS["login"], address, username)
        with pytest.raises(Throttled) as refused:
            desk.credentials.basic(desk.instance, username, "secret", address)
        answers.append((refused.value.message, refused.value.detail))
    assert answers[0] == answers[1]


def test_failures_are_forgotten_after_their_window(desk: Desk) -> None:
    """G3"""
    guess(desk, LIMITS["login"] - 1, series="a")
    desk.clock.advance(301)
    guess(desk, LIMITS["login"] - 1, series="b")
    desk.credentials.basic(desk.instance, "admin", "secret", HOME)


def test_others_guesses_do_not_lock_out_who_logged_in_lately(tmp_path: Path, desk: Desk) -> None:
    """G3, DESIGN §7: nor on another gateway, nor after its password had to be checked anew."""
    guess(desk, 1)
    desk.credentials.basic(desk.instance, "admin", "secret", HOME)
    guess(desk, LIMITS["login"] - 1, series="more")
    with pytest.raises(Throttled):
        desk.credentials.basic(desk.instance, "admin", "secret again", ELSEWHERE)
    desk.clock.advance(301)
    guess(desk, LIMITS["login"], series="later")
    desk.credentials.basic(desk.instance, "admin", "secret", HOME)
    with embedded_stack(tmp_path, desk.clock) as stack:
        with pytest.raises(Throttled):
            Credentials(stack).basic(desk.instance, "admin", "secret", "198.51.100.1")
        assert Credentials(stack).basic(desk.instance, "admin", "secret", HOME).name == "admin"


def test_one_address_runs_out_of_guesses_whatever_names_it_tries(desk: Desk) -> None:
    """G3: and an IPv6 customer has one /64, not 2^64 addresses."""
    for number in range(LIMITS["address"]):
        fails(desk, "wrong", f"2001:db8::{number + 1:x}", f"user-{number}")
    with pytest.raises(Throttled):
        desk.credentials.basic(desk.instance, "admin", "secret", "2001:db8::ffff")
    desk.credentials.basic(desk.instance, "admin", "secret", "2001:db8:0:1::1")


def test_a_login_that_meets_no_failures_writes_nothing(desk: Desk) -> None:
    """R2: the table's epoch stands still, so nothing that is remembered is lost."""
    before = desk.stack.table.epoch()
    desk.credentials.basic(desk.instance, "admin", "secret", HOME)
    assert desk.stack.table.epoch() == before


def test_the_table_holds_no_guess(desk: Desk) -> None:
    """G3"""
    guess(desk, 2)
    items = desk.stack.table.query(f"THROTTLE#{desk.instance.id}").items
    assert len(items) == 3
    assert "wrong" not in str(items)
    assert all(item["expires"] > desk.clock.now().timestamp() for item in items)


@pytest.mark.usefixtures("production_hashes")
def test_guesses_at_once_are_all_counted(desk: Desk) -> None:
    """G3"""

    def attempt(number: int) -> type[Exception]:
        try:
            desk.credentials.basic(desk.instance, "admin", f"wrong {number}", ELSEWHERE)
        except (Unauthenticated, Throttled) as refused:
            return type(refused)
        raise AssertionError("let in")

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(attempt, range(30)))
    hashed = answers.count(Unauthenticated)
    assert LIMITS["login"] <= hashed <= LIMITS["login"] + passwords.MOST_AT_ONCE


def test_a_storm_of_logins_is_turned_away_at_the_door() -> None:
    """I8: who waits for a hash holds a thread, and there are pulls to serve."""
    desk = passwords.Desk()
    entered, turned_away = 0, 0
    with ThreadPoolExecutor(40) as threads:

        def enter(_: int) -> bool:
            try:
                with desk.place():
                    time.sleep(0.02)
            except Unavailable:
                return False
            return True

        answers = list(threads.map(enter, range(40)))
    entered, turned_away = answers.count(True), answers.count(False)
    assert entered >= passwords.MOST_AT_ONCE
    assert turned_away > 0
    with desk.place():
        pass


@pytest.mark.parametrize(
    "header", ["", "Basic", "Basic !", "Basic YWRtaW4=", "Basic /w==", "Digest x", "Bearer", "Bearer é"]
)  # fmt: skip
def test_a_malformed_header_is_nobody(desk: Desk, header: str) -> None:
    """R2"""
    with pytest.raises(Unauthenticated):
        desk.credentials.authenticate(desk.instance, header, HOME)


def test_the_scheme_is_read_in_any_case_and_passwords_may_hold_colons(desk: Desk) -> None:
    """R2"""
    desk.credentials.create(desk.instance, "ci", "a:b:é")
    header = basic_header("ci", "a:b:é").replace("Basic", "bAsIc")
    assert desk.credentials.authenticate(desk.instance, header, HOME).name == "ci"
