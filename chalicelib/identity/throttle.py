"""Slowing down whoever guesses passwords, without locking anybody out.

A scope is what user names are unique in: an instance, or an account. Counted in it are distinct wrong secrets of the
last 5 minutes, so that a program with an old password never trips it:

    login#<user name>             10   one user name, from anywhere
    address#<network>             30   one network (an IPv4 address, an IPv6 /64), any user name
    instance                     300   the whole scope
    pair#<user name>#<network>   100   instead of the three above, where that pair logged in within a day: others'
                                       guesses cannot lock it out

At the limit the bucket closes for 30 s, and for twice as long after each further wrong secret. A bucket is one item;
each wrong secret is one attribute of it, named by its keyed hash, so that failures at once need no turn.
Read only before a hash would be computed, written only by failures, and by a success only while failures stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, Final

from chalicelib.edge.address import parse_address
from chalicelib.kernel.errors import AddressNotAllowed, Throttled
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import Item, Key, Update

from .recent import Recent

WINDOW_S: Final = 300
LIMITS: Final = {"login": 10, "address": 30, "instance": 300, "pair": 100}
_FIRST_PAUSE_S: Final = 30
_LONGEST_PAUSE_S: Final = 900
# A pair that logged in counts as known this long; noted in the table again after five minutes at the soonest.
_KNOWN_S: Final = 24 * 3600
_NOTED_S: Final = 300
_FAILURE: Final = "failed_"
# An address that cannot be told shares one bucket with all such.
_NOWHERE: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One login about to be checked, and what the table holds against it."""

    scope: str
    login: str
    network: str
    known: bool
    held: Mapping[Key, Item]

    @property
    def pair(self) -> str:
        return f"pair#{self.login}#{self.network}"

    @property
    def buckets(self) -> tuple[tuple[str, int], ...]:
        """Names of the buckets that count, with their limits."""
        if self.known:
            return ((self.pair, LIMITS["pair"]),)
        return (
            (f"login#{self.login}", LIMITS["login"]),
            (f"address#{self.network}", LIMITS["address"]),
            ("instance", LIMITS["instance"]),
        )

    def item(self, bucket: str) -> Item:
        return self.held.get(keys.throttle(self.scope, bucket), {})

    @property
    def contested(self) -> bool:
        """Whether somebody failed to log in under this name lately."""
        return bool(_failures(self.item(f"login#{self.login}")))


class Throttle:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._known: Recent[tuple[str, str, str], float] = stack.keep("throttle known", lambda: Recent(10_000))

    def attempt(self, scope: str, login: str, address: str) -> Attempt:
        """Raises Throttled with the seconds to wait. One batch read."""
        now = self._now()
        network = network_of(address)
        names = (f"login#{login}", f"address#{network}", "instance", f"pair#{login}#{network}")
        held = self._stack.table.get_many([keys.throttle(scope, name) for name in names])
        noted = held.get(keys.throttle(scope, names[3]), {}).get("known_until", 0)
        known = now < max(noted, self._known.get((scope, login, network), 0.0))
        attempt = Attempt(scope, login, network, known, held)
        pauses = [_pause_left(attempt.item(bucket), now) for bucket, _ in attempt.buckets]
        if max(pauses) > 0:
            raise Throttled(max(pauses), "too many failed logins; wait and try again")
        return attempt

    def failed(self, attempt: Attempt, secret_hash: bytes) -> None:
        """Counts a wrong secret, by its keyed hash."""
        now = self._now()
        name = _FAILURE + secret_hash[:8].hex()
        for bucket, limit in attempt.buckets:
            key = keys.throttle(attempt.scope, bucket)
            stale = [old for old, at in _failures(attempt.item(bucket)).items() if at <= now - WINDOW_S and old != name]
            keep_until = now + WINDOW_S + _LONGEST_PAUSE_S
            if attempt.known:
                keep_until += _KNOWN_S
            counted = self._stack.table.update(
                Update(key, set={name: now, "expires": keep_until}, remove=tuple(stale[:100])), relaxed=True
            )
            recent = sum(at > now - WINDOW_S for at in _failures(counted).values())
            if recent >= limit:
                self._close(key, counted, now)

    def succeeded(self, attempt: Attempt) -> None:
        """The pair is known from now on; told to other processes only while failures stand against the name."""
        now = self._now()
        self._known.put((attempt.scope, attempt.login, attempt.network), now + _KNOWN_S)
        noted_until = attempt.item(attempt.pair).get("known_until", 0)
        noted_lately = noted_until >= now + _KNOWN_S - _NOTED_S
        if attempt.contested and not noted_lately:
            key = keys.throttle(attempt.scope, attempt.pair)
            until = now + _KNOWN_S
            self._stack.table.update(Update(key, set={"known_until": until, "expires": until}), relaxed=True)

    def _close(self, key: Key, item: Item, now: int) -> None:
        recently_closed = now - WINDOW_S < item.get("closed_until", 0)
        strikes = item.get("strikes", 0) + 1 if recently_closed else 1
        pause = min(_FIRST_PAUSE_S << min(strikes - 1, 10), _LONGEST_PAUSE_S)
        self._stack.table.update(Update(key, set={"closed_until": now + pause, "strikes": strikes}), relaxed=True)

    def _now(self) -> int:
        return int(self._stack.clock.now().timestamp())


def network_of(address: str) -> str:
    """Who counts as one guesser: an IPv4 address, or the /64 that one IPv6 customer has at least."""
    try:
        parsed = parse_address(address)
    except AddressNotAllowed:
        return _NOWHERE
    return str(parsed) if parsed.version == 4 else str(ip_network((int(parsed), 64), strict=False))


def _failures(item: Mapping[str, Any]) -> dict[str, int]:
    return {name: at for name, at in item.items() if name.startswith(_FAILURE)}


def _pause_left(item: Mapping[str, Any], now: int) -> int:
    return max(0, int(item.get("closed_until", 0)) - now)
