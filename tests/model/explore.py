"""Visits every interleaving of a few processes, breadth first, and checks invariants in every world it meets.

A world is a hashable tuple: the rows and objects everybody shares. A process is a first step and its memory; a step is
one atomic call on the table or the object store: it reads the world and its own memory and yields every way in which
it may continue as (next step or None, world, memory). Because safety is asked in *every* state, a process that crashes
(its prefix) and one that sleeps for days (its remaining steps, late) need no transitions of their own.

Steps see only the world and their own memory, so what a process can do is computed once per (world, memory) pair. Both
are numbered and a state is one integer: the world's number in the low bits, then one field per process. A move is then
the difference of two integers, which makes a visit cost one addition and one look-up.
"""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

World = Any
Memory = Any
Moves = Iterable[tuple[Any, World, Memory]]
Step = Callable[[World, Memory], Moves]
Invariant = Callable[[World], bool]

WORLD_BITS = 24
MEMORY_BITS = 14
NO_REST = "everything comes to rest"


class Process(ABC):
    """Steps are methods: `def put_edge(self, world, memory)` yields (self.next_step, world, memory)."""

    @property
    @abstractmethod
    def name(self) -> str: ...

    @property
    @abstractmethod
    def first(self) -> Step: ...

    @property
    def memory(self) -> Memory:
        return None

    @property
    def mortal(self) -> bool:
        return False


@dataclass(frozen=True, eq=False)
class Mortal(Process):
    """The same process, which may die."""

    process: Process

    @property
    def name(self) -> str:
        return f"mortal {self.process.name}"

    @property
    def first(self) -> Step:
        return self.process.first

    @property
    def memory(self) -> Memory:
        return self.process.memory

    @property
    def mortal(self) -> bool:
        return True


class Outcome(NamedTuple):
    """What a search found.

    broken  the invariant that fails at the end of `trace`, or None if every state is safe
    trace   a shortest way there: one "process: step" per move
    worlds  every world met; tests ask it whether the interesting ones were reachable at all
    fired   every (process, step) that was ever taken
    """

    broken: str | None
    states: int
    trace: tuple[str, ...]
    worlds: tuple[World, ...]
    fired: frozenset[tuple[str, str]]

    @property
    def safe(self) -> bool:
        return self.broken is None


class TooManyStates(Exception):
    """The search met more states than its limit: it has shown nothing, neither safety nor a violation."""


class _Numbers:
    """Gives each distinct value the next number, for ever."""

    def __init__(self, bits: int) -> None:
        self.values: list[Any] = []
        self._number: dict[Any, int] = {}
        self._most = 1 << bits

    def of(self, value: Any) -> int:
        number = self._number.setdefault(value, len(self.values))
        if number == len(self.values):
            if number >= self._most:
                raise TooManyStates(f"more than {self._most} distinct values")
            self.values.append(value)
        return number


class _Search:
    def __init__(
        self,
        world: World,
        processes: Sequence[Process],
        invariants: Mapping[str, Invariant],
        at_rest: Mapping[str, Invariant],
    ) -> None:
        self._processes = processes
        self._invariants = invariants
        self._at_rest = at_rest
        self._worlds = _Numbers(WORLD_BITS)
        self._memories = [_Numbers(MEMORY_BITS) for _ in processes]
        self._shifts = [WORLD_BITS + place * MEMORY_BITS for place in range(len(processes))]
        self._moves: list[dict[int, tuple[int, ...]]] = [{} for _ in processes]
        self._broken: dict[int, str] = {}
        self._parents: dict[int, int | None] = {}
        self._first = self._number_world(world)
        for process, memories, shift in zip(processes, self._memories, self._shifts, strict=True):
            self._first += memories.of((process.first, process.memory)) << shift

    def run(self, limit: int) -> Outcome:
        mask = (1 << WORLD_BITS) - 1
        lanes = [(mask | ((1 << MEMORY_BITS) - 1) << shift, moves, place)
                 for place, (shift, moves) in enumerate(zip(self._shifts, self._moves, strict=True))]  # fmt: skip
        parents = self._parents
        parents[self._first] = None
        frontier = [self._first]
        while frontier and not self._broken:
            following: list[int] = []
            for state in frontier:
                for lane, moves, place in lanes:
                    known = moves.get(state & lane)
                    if known is None:
                        known = moves[state & lane] = tuple(self._expand(place, state))
                    for move in known:
                        reached = state + move
                        if reached not in parents:
                            parents[reached] = state
                            following.append(reached)
                if self._broken:
                    break
            if len(parents) > limit:
                raise TooManyStates(f"more than {limit} states")
            frontier = following
        end = next((state for state in reversed(parents) if state & mask in self._broken), None)
        if end is not None:
            return self._outcome(end, self._broken[end & mask])
        return self._outcome(*self._end()) if self._at_rest else self._outcome(None, None)

    def _end(self) -> tuple[int | None, str | None]:
        """The first state at rest that breaks what must hold there, or the first from which none can be reached."""
        mask = (1 << WORLD_BITS) - 1
        before: dict[int, list[int]] = defaultdict(list)
        resting: list[int] = []
        lanes = [(mask | ((1 << MEMORY_BITS) - 1) << shift, moves) for _, _, shift, moves in self._lanes()]
        for state in self._parents:
            rests = True
            for lane, moves in lanes:
                for move in moves[state & lane]:
                    before[state + move].append(state)
                    rests = False
            if rests:
                resting.append(state)
                for name, holds in self._at_rest.items():
                    if not holds(self._worlds.values[state & mask]):
                        return state, name
        reaching = set(resting)
        while resting:
            for state in before[resting.pop()]:
                if state not in reaching:
                    reaching.add(state)
                    resting.append(state)
        lost = next((state for state in self._parents if state not in reaching), None)
        return lost, None if lost is None else NO_REST

    def _moves_from(self, state: int) -> Iterator[tuple[int, tuple[int, ...]]]:
        """(place of the process, its moves) of a state that was visited."""
        for place, (_, _, shift, moves) in enumerate(self._lanes()):
            yield place, moves.get(state & (((1 << WORLD_BITS) - 1) | ((1 << MEMORY_BITS) - 1) << shift), ())

    def _number_world(self, world: World) -> int:
        number = self._worlds.of(world)
        for name, holds in self._invariants.items():
            if number not in self._broken and not holds(world):
                self._broken[number] = name
        return number

    def _expand(self, place: int, state: int) -> Iterator[int]:
        number = state & ((1 << WORLD_BITS) - 1)
        memories, shift = self._memories[place], self._shifts[place]
        own = state >> shift & ((1 << MEMORY_BITS) - 1)
        step, memory = memories.values[own]
        if step is None:
            return
        for following, world, kept in step(self._worlds.values[number], memory):
            # A finished process forgets everything, so that its different pasts are one state.
            after = memories.of((following, kept if following else None))
            yield self._number_world(world) - number + (after - own << shift)
        if self._processes[place].mortal:
            yield self._death(place, own)

    def _death(self, place: int, own: int) -> int:
        return self._memories[place].of((None, None)) - own << self._shifts[place]

    def _outcome(self, end: int | None, broken: str | None) -> Outcome:
        return Outcome(
            broken=broken,
            states=len(self._parents),
            trace=tuple(self._trace(end)),
            worlds=tuple(self._worlds.values),
            fired=frozenset(
                (process.name, _title(memories.values[key >> shift][0]))
                for place, (process, memories, shift, moves) in enumerate(self._lanes())
                for key, known in moves.items()
                if any(not process.mortal or move != self._death(place, key >> shift) for move in known)
            ),
        )

    def _lanes(self) -> Iterator[tuple[Process, _Numbers, int, dict[int, tuple[int, ...]]]]:
        return zip(self._processes, self._memories, self._shifts, self._moves, strict=True)

    def _trace(self, end: int | None) -> list[str]:
        lines: list[str] = []
        while end is not None and (before := self._parents[end]) is not None:
            place = next(place for place, known in self._moves_from(before) if end - before in known)
            process, shift = self._processes[place], self._shifts[place]
            own = before >> shift & ((1 << MEMORY_BITS) - 1)
            dies = process.mortal and end - before == self._death(place, own)
            title = _title(self._memories[place].values[own][0])
            lines.append(f"{process.name}: {'stops at ' if dies else ''}{title}")
            end = before
        return lines[::-1]


def explore(
    world: World,
    processes: Sequence[Process],
    invariants: Mapping[str, Invariant],
    limit: int = 8_000_000,
    at_rest: Mapping[str, Invariant] | None = None,
) -> Outcome:
    """Every reachable state, or a shortest way into one that breaks an invariant. Raises TooManyStates past `limit`.

    at_rest   what must hold of worlds in which nobody can take a step; if given, such states must always be reachable
    """
    return _Search(world, processes, invariants, at_rest or {}).run(limit)


def _title(step: Step | None) -> str:
    return step.__name__.replace("_", " ") if step else "end"
