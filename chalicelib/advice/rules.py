"""All rules, one after another. Pure. Source of the rules: user guide §5.1."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from . import build_rules, file_rules
from .image import Image
from .models import AdviceItem

# Of one rule, so that an image with a thousand layers is told of in one answer.
MOST_OF_A_RULE: Final = 20

RULES: Final[tuple[Callable[[Image], Iterator[AdviceItem]], ...]] = (
    file_rules.package_caches,
    file_rules.lost_files,
    file_rules.build_tools,
    file_rules.unneeded_packages,
    file_rules.documentation,
    file_rules.git_folders,
    file_rules.node_modules,
    file_rules.secret_files,
    build_rules.system_upgrades,
    build_rules.split_package_steps,
    build_rules.updates_apart,
    build_rules.recommended_packages,
    build_rules.sources_before_packages,
    build_rules.adds_for_copies,
    build_rules.several_services,
    build_rules.base_tags,
    build_rules.runs_as_root,
    build_rules.shell_forms,
)


def advise(image: Image) -> tuple[AdviceItem, ...]:
    """What saves most first; of one rule the 20 that do. An image without layers gets none."""
    if not image.layers:
        return ()
    found = [item for rule in RULES for item in sorted(rule(image), key=_weight)[:MOST_OF_A_RULE]]
    return tuple(sorted(found, key=_weight))


def _weight(item: AdviceItem) -> int:
    return -(item.bytes or 0)
