"""`Idempotency-Key`: a POST that is sent again is answered again, and not carried out again.

    first      the key is claimed → the call → its answer is kept for a day
    again      same request: the kept answer · other request: 409 · first still under way, or its answer a secret: 409

The console's forms that pay carry a key too: pressed twice, both pages tell of the one payment.

Keys are per caller. A call that is refused gives its key free; one that went wrong in an unforeseen way does not, since
it may have been carried out; one that died leaves it claimed for a few minutes.
Source: the IETF's draft "The Idempotency-Key HTTP Header Field".
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from chalicelib.kernel.errors import Conflict, Invalid
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack
from chalicelib.ports.table import ConditionFailed, Item, Key, Update, absent, any_of, at_most, equals

if TYPE_CHECKING:
    from .apicall import Call

KEPT_S: Final = 24 * 3600
# Longer than any call: API Gateway gives up after 29 s, a function after its timeout.
CLAIMED_S: Final = 300
LONGEST_KEY: Final = 255
# Spaces at its ends are the header's, not the key's (RFC 9110 §5.5); some carriers leave them there.
KEY_PATTERN: Final = "[!-~](?:[ -~]*[!-~])?"
_KEY: Final = re.compile(KEY_PATTERN)
# A page of a list and every other answer of a POST is far below; a longer one is carried out, and not kept.
_LONGEST_ANSWER: Final = 300_000
# Who waits for a call that is under way looks for its end so often.
_PAUSE_S: Final = 0.05


class KeyUnderWay(Conflict):
    """The same key serves once the first call has ended."""


class KeySpent(Conflict):
    """Whatever is asked for next needs another key."""


@dataclass(frozen=True, slots=True)
class Stored:
    status: int
    headers: dict[str, str]
    body: str


class Replay:
    """One key of one caller."""

    def __init__(self, stack: Stack, key: Key, fingerprint: str, *, secret: bool) -> None:
        self._stack = stack
        self._key = key
        self._fingerprint = fingerprint
        self._secret = secret

    @classmethod
    def of(cls, call: Call) -> Replay | None:
        """None for what is no POST or has no key. Raises Invalid naming `Idempotency-Key`."""
        text = call.request.headers.get("idempotency-key")
        if call.endpoint.method != "POST" or text is None or call.principal.anonymous:
            return None
        if len(text) > LONGEST_KEY or not _KEY.fullmatch(text):
            raise Invalid(
                "Idempotency-Key", f"a key has 1–{LONGEST_KEY} printable ASCII characters, no space at its ends"
            )
        # Keyed by the key itself, which is not kept: a body may hold a password, and nothing kept may help to guess it.
        digest = hmac.new(text.encode(), digestmod=hashlib.sha256)
        for part in (call.request.path.encode(), repr(sorted(call.request.query.items())).encode(), call.request.body):
            digest.update(b"%d:" % len(part) + part)
        caller = f"{call.principal.account_id}#{call.principal.name}"
        key = keys.replay(caller, hashlib.sha256(text.encode()).hexdigest())
        return cls(call.stack, key, digest.hexdigest(), secret=call.endpoint.secret)

    def begin(self, patience_s: float = 0.0) -> Stored | None:
        """Claims the key; the kept answer if there is one.

        patience_s: how long to wait for a first call that is under way. Raises KeyUnderWay, KeySpent.
        """
        for _ in range(round(patience_s / _PAUSE_S)):
            try:
                return self._claim()
            except KeyUnderWay:
                time.sleep(_PAUSE_S)
        return self._claim()

    def _claim(self) -> Stored | None:
        now = self._now()
        claim = {**self._key._asdict(), "fingerprint": self._fingerprint, "state": "begun", "expires": now + CLAIMED_S}
        free = any_of(absent(), at_most("expires", now))
        try:
            self._stack.table.put(claim, free)
        except ConditionFailed as taken:
            return self._again(taken.item or {})
        return None

    def _again(self, held: Item) -> Stored:
        if held.get("fingerprint") != self._fingerprint:
            raise KeySpent("this Idempotency-Key was used for another request; take a new one")
        if held.get("state") == "begun":
            raise KeyUnderWay("a request with this Idempotency-Key is under way; ask again in a moment")
        if held.get("state") == "doubtful":
            raise KeySpent("nobody knows whether this request was carried out; look, then send it with a new key")
        if held.get("state") == "secret":
            raise KeySpent("this request was carried out; its answer bears a secret and was not kept")
        return Stored(int(held["status"]), dict(held["headers"]), str(held["body"]))

    def keep(self, status: int, headers: dict[str, Any], body: str) -> None:
        kept: dict[str, Any] = {"state": "secret"}
        if not self._secret and len(body) <= _LONGEST_ANSWER:
            kept = {"state": "kept", "status": status, "headers": dict(headers), "body": body}
        item = {**self._key._asdict(), "fingerprint": self._fingerprint, "expires": self._now() + KEPT_S, **kept}
        self._stack.table.put(item)

    def forget(self) -> None:
        """The call was not carried out: the key is free again."""
        self._change({"expires": self._now()})

    def doubt(self) -> None:
        """The call may have been carried out or not: it is not carried out again under this key."""
        self._change({"state": "doubtful", "expires": self._now() + KEPT_S})

    def _change(self, change: dict[str, Any]) -> None:
        ours = equals("fingerprint", self._fingerprint)
        try:
            self._stack.table.update(Update(self._key, set=change, when=ours))
        except ConditionFailed:
            return

    def _now(self) -> int:
        return int(self._stack.clock.now().timestamp())
