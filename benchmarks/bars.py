"""Bars beside each other, as SVG, each group to a scale of its own: light and dark, no library."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _LABEL, _VALUE, _GAP = 860, 150, 62, 24
_BAR, _STEP, _GROUP, _HEAD = 14, 19, 34, 58
_COLOURS = (("#57606a", "#9da7b3"), ("#a475f9", "#8957e5"), ("#54aeff", "#388bfd"), ("#2da44e", "#3fb950"))


@dataclass(frozen=True)
class Panel:
    """values: of each group and series; paler: what a part of a bar is that is drawn paler, at its end"""

    title: str
    unit: str
    values: Sequence[Sequence[float]]
    paler: Sequence[Sequence[float]] = ()


def draw(title: str, groups: Sequence[str], series: Sequence[str], panels: Sequence[Panel]) -> str:
    height = _HEAD + len(groups) * (_GROUP + _STEP * len(series)) + 8
    return "\n".join([*_opened(title, height), *_labels(groups, series), *_bars(panels), "</svg>", ""])


def _opened(title: str, height: int) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="system-ui, sans-serif" '
        f'font-size="12" role="img" aria-label="{escape(title, quote=True)}">'
    )
    light = " ".join(f".s{number} {{ fill: {colours[0]} }}" for number, colours in enumerate(_COLOURS))
    dark = " ".join(f".s{number} {{ fill: {colours[1]} }}" for number, colours in enumerate(_COLOURS))
    yield f"<style>.page {{ fill: #ffffff }} text {{ fill: #1f2328 }} .head {{ font-weight: 600 }} {light}"
    yield f"@media (prefers-color-scheme: dark) {{ .page {{ fill: #0d1117 }} text {{ fill: #e6edf3 }} {dark} }}</style>"
    yield f'<rect class="page" width="{_WIDTH}" height="{height}"/>'
    yield f'<text class="head" x="12" y="22" font-size="14">{escape(title)}</text>'


def _labels(groups: Sequence[str], series: Sequence[str]) -> Iterator[str]:
    for place, group in enumerate(groups):
        top = _top(place, len(series))
        yield f'<text class="head" x="12" y="{top - 6}">{escape(group)}</text>'
        for number, name in enumerate(series):
            yield f'<text x="{_LABEL}" y="{top + number * _STEP + 11}" text-anchor="end">{escape(name)}</text>'


def _bars(panels: Sequence[Panel]) -> Iterator[str]:
    room = (_WIDTH - _LABEL - _GAP * len(panels)) / len(panels)
    for column, panel in enumerate(panels):
        left = _LABEL + 10 + column * (room + _GAP)
        yield f'<text class="head" x="{left:.0f}" y="42">{escape(panel.title)}</text>'
        for place, values in enumerate(panel.values):
            most = max(values)
            for number, value in enumerate(values):
                top = _top(place, len(values)) + number * _STEP
                paler = panel.paler[place][number] if panel.paler else 0.0
                length, solid = (amount / most * (room - _VALUE) for amount in (value, value - paler))
                bar = f'class="s{number}" y="{top}" height="{_BAR}"'
                yield f'<rect {bar} x="{left:.0f}" width="{max(solid, 0.5):.1f}"/>'
                if paler:
                    yield f'<rect {bar} x="{left + solid:.1f}" width="{length - solid:.1f}" opacity="0.45"/>'
                told = f"{value:,.{0 if value >= 100 else 1}f} {panel.unit}"
                yield f'<text x="{left + length + 5:.0f}" y="{top + 11}">{escape(told)}</text>'


def _top(place: int, series: int) -> int:
    return _HEAD + place * (_GROUP + series * _STEP) + 18
