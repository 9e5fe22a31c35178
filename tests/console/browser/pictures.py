"""What screens look like, as files of docs/console: small, and rewritten only where they look different."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

from PIL import Image, ImageChops
from playwright.sync_api import Page

from tests.console.furnished import PARTS, SCREENS
from tests.console.world import Screen

# A screen is understood by its upper part; long lists go on as they begin.
_HIGHEST: Final = 1200
_COLOURS: Final = 64
# Ids and digests are others in every run. More than so many pixels are a change of the page.
_ALIKE_SHARE: Final = 0.001
_VISIBLE_STEP: Final = 24


def files_of(screen: Screen) -> tuple[str, str]:
    """Wide, light and English; narrow, dark and Chinese."""
    return f"{screen.name}.png", f"{screen.name}-zh-dark-narrow.png"


def take(page: Page, file: Path) -> None:
    size = page.viewport_size
    assert size is not None
    height = min(max(page.evaluate("document.documentElement.scrollHeight"), 300), _HIGHEST)
    clip = {"x": 0, "y": 0, "width": size["width"], "height": height}
    shot = page.screenshot(full_page=True, clip=clip, animations="disabled", caret="hide")  # type: ignore[arg-type]
    picture = Image.open(io.BytesIO(shot)).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    if file.exists() and _alike(Image.open(file), picture):
        return
    picture.save(file, optimize=True)


def index() -> str:
    """README.md of the folder."""
    lines = [
        "# What the console looks like",
        "",
        "Made by `make pictures` from the screens that `make browser` looks at; a test fails where one is missing.",
        "",
    ]
    for part in PARTS:
        lines += [f"## {_title(part.__name__)}", "", "| wide, light, English | narrow, dark, Chinese |", "|---|---|"]
        for screen in part.SCREENS:
            wide, narrow = files_of(screen)
            lines.append(f"| ![{screen.name}]({wide}) | ![{screen.name}, Chinese]({narrow}) |")
        lines.append("")
    return "\n".join(lines)


def wanted() -> set[str]:
    return {file for screen in SCREENS for file in files_of(screen)} | {"README.md"}


def _title(module: str) -> str:
    return module.rpartition(".")[2].replace("_", " ").capitalize()


def _alike(one: Image.Image, other: Image.Image) -> bool:
    if one.size != other.size:
        return False
    difference = ImageChops.difference(one.convert("RGB"), other.convert("RGB")).convert("L")
    visible = sum(difference.histogram()[_VISIBLE_STEP:])
    return visible <= _ALIKE_SHARE * one.width * one.height
