"""A page that several benchmarks write: each replaces its own section and leaves the others as they are."""

import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.machine import describe_machine

_HEAD = "## "


def write_section(page: Path, title: str, text: str) -> None:
    """title: of the page, if there is none yet. text: begins with the section's own heading."""
    before = page.read_text() if page.is_file() else f"# {title}\n"
    parts = before.split(f"\n{_HEAD}")
    heading = _heading(text)
    kept = [f"{_HEAD}{part.strip()}\n" for part in parts[1:] if _heading(f"{_HEAD}{part}") != heading]
    sections = sorted([*kept, f"{text.strip()}\n"], key=_heading)
    page.write_text("\n".join([parts[0].strip() + "\n", *sections]))


def where(module: str, folder: Path) -> str:
    """When, how and on what a section was measured."""
    command = " ".join(["python -m", module, *sys.argv[1:]])
    told = "; ".join(
        f"{name}: {value}" for name, value in describe_machine(folder, None) if not name.startswith("client")
    )
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC: `{command}`  \n{told}\n"


def _heading(section: str) -> str:
    return section.strip().removeprefix(_HEAD).partition("\n")[0].strip()
