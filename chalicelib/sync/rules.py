"""What rules want, and which rules stand in each other's way. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chalicelib.copying.models import PARALLEL
from chalicelib.kernel import media, strict_json
from chalicelib.kernel.errors import Invalid
from chalicelib.kernel.patterns import Pattern

from .models import Content, Order, Role, Rule

MOST_PIECE_BYTES: Final = 32 * 1024 * 1024
_LEAST_PIECE_BYTES: Final = 256 * 1024
_PIECES_S: Final = 20
# Between two attempts at a target that does not answer; the longest is taken from then on.
PAUSES_S: Final = (5, 15, 60, 180, 600)
# After so many the next image is tried first: it may be one alone that gets no answer.
PAUSES_BEFORE_OTHERS: Final = 4
# Changed, a rule is for later pushes only.
DECIDING: Final = frozenset(
    {"content", "source_namespace", "source_repositories", "source_tags", "target_id", "place", "target_namespace"}
)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a namespace is to rules. rules: id → the instance whose rule it is; mark: another with every change."""

    role: Role
    rules: Mapping[str, str]
    mark: str = ""


def matches_repository(order: Order, name: str) -> bool:
    """name: in full."""
    namespace, _, short = name.partition("/")
    return namespace == order.source_namespace and _matches(order.source_repositories, short)


def matches_tag(order: Order, tag: str) -> bool:
    return _matches(order.source_tags, tag)


def _matches(pattern: str, text: str) -> bool:
    return not pattern or Pattern(pattern).matches(text)


def content_of(artifact_type: str) -> Content:
    """Of a manifest: charts are charts, everything else counts as images."""
    return "chart" if artifact_type == media.HELM_CONFIG else "image"


def content_of_body(body: bytes) -> Content:
    """The same of a manifest as it is read."""
    try:
        document = strict_json.parse(body, "manifest")
    except Invalid:
        return "image"
    if not isinstance(document, dict):
        return "image"
    config = document.get("config")
    told = document.get("artifactType") or (config.get("mediaType") if isinstance(config, dict) else "")
    return content_of(told if isinstance(told, str) else "")


def in_the_way(seen: Claim | None, wanted: Role, rule_id: str) -> tuple[str, str] | None:
    """The rule (id, instance) because of which a namespace cannot be this to a rule: a target has one rule, and is no
    source of any (Y2). None: it can."""
    others = {} if seen is None else {each: instance for each, instance in seen.rules.items() if each != rule_id}
    if seen is None or not others or (seen.role == wanted == "source"):
        return None
    return min(others.items())


def changed(seen: Claim | None, wanted: Role | None, rule: Rule) -> Claim | None:
    """The claim as it stands once the rule's own part in it is this. None: nobody has one."""
    rules = {} if seen is None else {each: instance for each, instance in seen.rules.items() if each != rule.id}
    if wanted is not None:
        return Claim(wanted, {**rules, rule.id: rule.instance_id})
    if not rules or seen is None:
        return None
    return Claim(seen.role, rules)


def piece_bytes(bandwidth: int) -> int:
    """What one request may send, so that a step ends in time: all that are sent at once take as long as a piece of each
    takes. bandwidth: bytes a second, 0 where nothing is said of it; then links of a MB a second are slow enough."""
    at_once = bandwidth * _PIECES_S // PARALLEL if bandwidth else MOST_PIECE_BYTES
    return max(_LEAST_PIECE_BYTES, min(at_once, MOST_PIECE_BYTES))


def pause_s(waits: int, asked_s: int) -> int:
    """waits: how often it was waited for before; asked_s: what the target asks for."""
    own = PAUSES_S[min(waits, len(PAUSES_S) - 1)]
    return min(max(own, asked_s), PAUSES_S[-1])
