"""A migration that runs outside of the service, in the process of whoever wants it: `crs migrate`.

    rules ─► tags of each source, several at once ─► images, several at once ─► what failed once more, at the end

Nothing is kept between two runs: what the targets hold is how far the last one came.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from typing import Final

from chalicelib.copying.models import Effort, Interrupted, Outcome, Progress
from chalicelib.copying.service import Copier
from chalicelib.kernel.errors import Refused
from chalicelib.kernel.names import Digest
from chalicelib.ports.remote_login import LoginRefused

from .files import Rule
from .places import Place
from .planning import Image, images, lists_tags
from .registries import Known, Registries
from .travelling import Arrival, Departure, Holdings

# Blobs of one image at once, where few images are under way.
PARALLEL: Final = 3
_FEW: Final = 8
_REST_S: Final = 2.0
# What another attempt may mend: the network's failures and the registries'.
_PASSING: Final = frozenset(
    {"unavailable", "digest_invalid", "size_invalid", "conflict", "not_found", "manifest_invalid"}
)


@dataclass(frozen=True, slots=True)
class Result:
    """
    image     None for a source that could not say which images it has: then `entry` stands for all of them
    seconds   it took
    """

    entry: str
    image: Image | None
    outcome: Outcome
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        return self.outcome.verdict not in ("copied", "unchanged")

    @property
    def may_pass(self) -> bool:
        return self.failed and self.outcome.reason in _PASSING


class Run:
    """
    tell      each result, once it is final; called by one thread at a time
    expect    how many images there are, as soon as that is known
    """

    def __init__(
        self,
        registries: Registries,
        *,
        proc: int,
        retries: int,
        tell: Callable[[Result], None],
        expect: Callable[[int], None] = lambda _: None,
        rest: Callable[[float], None] = time.sleep,
    ) -> None:
        self._registries = registries
        self._proc = proc
        self._retries = retries
        self._tell = tell
        self._expect = expect
        self._rest = rest
        self._stopped = threading.Event()
        self._guard = threading.Lock()
        self._effort = Effort(until=float("inf"), parallel=1)
        self._sizes: dict[Digest, int] = {}
        self._holdings: defaultdict[Known, Holdings] = defaultdict(Holdings)
        self._tags: dict[Place, frozenset[str]] = {}
        self._progress: dict[Image, Progress] = {}

    def stop(self) -> None:
        """Nothing more is begun; what is under way ends with the piece that is on its way."""
        self._stopped.set()
        self._effort.until = time.monotonic()
        with self._guard:
            for holdings in self._holdings.values():
                holdings.give_up()

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()

    def run(self, rules: Sequence[Rule]) -> None:
        wanted, left = self._planned(rules)
        self._expect(len(wanted) + len(left))
        self._effort.parallel = PARALLEL if len(wanted) <= _FEW else 1
        for result in left:
            self._tell(result)
        for attempt in range(self._retries + 1):
            final = attempt == self._retries
            again = [result.image for result in self._tried(wanted, final=final) if result.image is not None]
            if not again or self.stopped:
                return
            self._rest(_REST_S * (attempt + 1))
            wanted = again

    # Which images

    def _planned(self, rules: Sequence[Rule]) -> tuple[list[Image], list[Result]]:
        """All images, each once, and the rules of which nobody can say what they want."""
        listed = {rule.source: rule for rule in rules if lists_tags(rule)}
        refused: dict[Place, Refused] = {}
        with ThreadPoolExecutor(self._proc, "list") as threads:
            asked = {threads.submit(self._list, place): place for place in listed}
            for one in as_completed(asked):
                try:
                    self._tags[asked[one]] = one.result()
                except Refused as why:
                    refused[asked[one]] = why
        wanted: dict[Image, None] = {}
        left = []
        for rule in rules:
            if rule.source in refused:
                left.append(Result(rule.entry, None, _failed(refused[rule.source])))
                continue
            wanted |= dict.fromkeys(images(rule, sorted(self._tags.get(rule.source, ()))))
        return list(wanted), left

    def _list(self, place: Place) -> frozenset[str]:
        for attempt in range(self._retries + 1):
            try:
                registry, name = self._registries.registry(place)
                return frozenset(registry.tags(name))
            except LoginRefused as refused:
                self._registries.refused(place, refused.message)
                raise
            except Refused as refused:
                if attempt == self._retries or refused.status < 500 or self.stopped:
                    raise
                self._rest(_REST_S)
        raise AssertionError

    # Bringing them

    def _tried(self, wanted: Iterable[Image], *, final: bool) -> list[Result]:
        """Tells of each whose result is final; answers the others."""
        again = []
        with ThreadPoolExecutor(self._proc, "image") as threads:
            for one in as_completed([threads.submit(self._bring, image) for image in wanted]):
                result = one.result()
                if result is None:
                    continue
                if result.may_pass and not final and not self.stopped:
                    again.append(result)
                else:
                    self._tell(result)
        return again

    def _bring(self, image: Image) -> Result | None:
        """None: it was not begun."""
        if self.stopped:
            return None
        begun = time.monotonic()
        try:
            outcome = self._copied(image)
        except Refused as refused:
            outcome = _failed(refused)
        return Result(image.entry, image, outcome, time.monotonic() - begun)

    def _copied(self, image: Image) -> Outcome:
        source, name = self._registries.registry(image.source)
        refused = partial(self._registries.refused, image.source)
        departure = Departure(source, name, self._sizes, self._tags.get(image.source), refused)
        target, name = self._registries.registry(image.target)
        refused = partial(self._registries.refused, image.target)
        with self._guard:
            holdings = self._holdings[target]
            if self.stopped:
                holdings.give_up()
        arrival = Arrival(target, name, self._sizes, holdings, refused)
        copier = Copier(departure, arrival, self._effort)
        try:
            # What an attempt before has sent of a large blob is not sent again.
            before = self._progress.pop(image, None)
            outcome = copier.copy(image.reference, image.tag, override=True, progress=before)
            if outcome.verdict == "failed":
                holdings.forget(name)
            return outcome
        except Interrupted as interrupted:
            self._progress[image] = interrupted.progress
            raise
        finally:
            arrival.release()


def _failed(why: Refused) -> Outcome:
    return Outcome("failed", reason=why.code.lower(), message=why.message)
