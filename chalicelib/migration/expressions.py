"""Regular expressions over tags, `registry/name:/v1\\..*/`, that take time in proportion to what they read.

They come from strangers and are matched inside the service, where an expression that looks again and again would hold
a worker for ever. So they mean what they mean to RE2: no references back, no looking ahead. Found anywhere in a tag,
unless ^ and $ say otherwise.

    source ─► tree of nodes ─► states, repetitions written out ─► letter by letter, all states that are possible
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from chalicelib.kernel.errors import PatternInvalid

from .expression_syntax import Chain, Choice, Edge, Letter, Node, Parser, Repeat

# Repetitions are written out: `(a{100}){100}` would be ten thousand states.
MOST_STATES: Final = 2000


@dataclass(slots=True)
class _State:
    """Goes on to `following`: by a letter, at an edge, or (neither) at once. Without any it is the end."""

    letter: Letter | None = None
    edge: Edge | None = None
    following: list[int] = field(default_factory=list)


class Expression:
    def __init__(self, source: str, what: str = "images") -> None:
        """Raises PatternInvalid naming the letter that cannot be understood, counted from 0."""
        self._ignores_case = source.startswith("(?i)")
        self._states: list[_State] = [_State()]
        tree = Parser(source, what, 4 if self._ignores_case else 0).whole()
        self._first = self._build(tree, 0, lambda: PatternInvalid(what, "repeats too much", 0))

    def matches(self, tag: str) -> bool:
        text = tag.lower() if self._ignores_case else tag
        possible: set[int] = set()
        for at in range(len(text) + 1):
            possible = self._reached({*possible, self._first}, at == 0, at == len(text))
            if 0 in possible:
                return True
            if at < len(text):
                possible = {
                    following
                    for number in possible
                    if (letter := self._states[number].letter) is not None and self._fits(letter, text[at])
                    for following in self._states[number].following
                }
        return False

    def _fits(self, letter: Letter, read: str) -> bool:
        if self._ignores_case and not letter.negated:
            return letter.holds(read) or letter.holds(read.upper())
        return letter.holds(read)

    def _reached(self, begun: set[int], at_beginning: bool, at_end: bool) -> set[int]:
        found, waiting = set(begun), list(begun)
        while waiting:
            state = self._states[waiting.pop()]
            if state.letter is not None or (state.edge and not (at_beginning if state.edge.beginning else at_end)):
                continue
            fresh = [number for number in state.following if number not in found]
            found.update(fresh)
            waiting.extend(fresh)
        return found

    def _build(self, node: Node, following: int, refusal: Callable[[], PatternInvalid]) -> int:
        """The state in which the node begins, which goes on at `following`."""
        if len(self._states) > MOST_STATES:
            raise refusal()
        match node:
            case Letter():
                return self._add(_State(letter=node, following=[following]))
            case Edge():
                return self._add(_State(edge=node, following=[following]))
            case Chain(parts):
                for part in reversed(parts):
                    following = self._build(part, following, refusal)
                return following
            case Choice(branches):
                return self._add(_State(following=[self._build(branch, following, refusal) for branch in branches]))
            case Repeat(part, least, most):
                if most is None:
                    loop = self._add(_State())
                    self._states[loop].following = [self._build(part, loop, refusal), following]
                    following = loop
                for _ in range((most or least) - least):
                    following = self._add(_State(following=[self._build(part, following, refusal), following]))
                for _ in range(least):
                    following = self._build(part, following, refusal)
                return following

    def _add(self, state: _State) -> int:
        self._states.append(state)
        return len(self._states) - 1
