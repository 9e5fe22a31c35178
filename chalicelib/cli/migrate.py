"""`crs migrate`: images from registries to registries, by the files of image-syncer. See docs/migration.md."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from chalicelib.kernel.errors import Invalid

if TYPE_CHECKING:
    from chalicelib.migration.documents import Document
    from chalicelib.migration.files import Entrances, Rule
    from chalicelib.migration.running import Result

_SOME_FAILED = 1
_INTERRUPTED = 130
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_NEW_FILE = click.Path(path_type=Path, dir_okay=False)
# For programs a word, for people what to do.
_ADVICE = {
    "login_refused": "check its entry in the auth file",
    "denied": "the login may not do that there; use one that may",
    "quota_exceeded": "make room or enlarge the quota, then run this again",
    "tag_immutable": "the tag may not be moved there; bring it under another name",
    "not_found": "make the namespace or repository there, or check the name",
    "unavailable": "try again later: what arrived is not moved again",
}


@click.command()
@click.option("--images", type=_FILE, help="What is brought where: image-syncer's images.json or .yaml.")
@click.option("--auth", type=_FILE, help="How registries are entered: its auth.json or .yaml.")
@click.option("--config", type=_FILE, help="Both in one file, under `auth` and `images`.")
@click.option("--proc", type=click.IntRange(1, 64), default=5, show_default=True, help="Images at once.")
@click.option("--retries", type=click.IntRange(0, 20), default=2, show_default=True, help="Attempts after the first.")
@click.option("--log", type=_NEW_FILE, help="A line of JSON for each image is added to this file.")
@click.option("--report", type=_NEW_FILE, help="What all came to, as JSON, is written to this file.")
def migrate(
    images: Path | None,
    auth: Path | None,
    config: Path | None,
    proc: int,
    retries: int,
    log: Path | None,
    report: Path | None,
) -> None:
    """Bring images from registries to registries.

    Reads the files of image-syncer, comments included; ${NAME} stands for a variable. What the targets hold already is
    not moved, so an interrupted run goes on when it is started again, and a second one moves nothing. Exits with 1 if
    some images did not arrive, though the rest did, and with 2 if the files make no sense.
    """
    try:
        entrances, rules = _read(images, auth, config)
    except Invalid as wrong:
        raise click.UsageError("\n".join(message for _, message in wrong.fields)) from wrong
    with ExitStack() as held:
        logging = held.enter_context(log.open("a", encoding="utf-8")) if log is not None else None
        told = _Telling(held, logging)
        interrupted = _run(entrances, rules, proc, retries, told)
    summary = {**told.summary, "interrupted": interrupted}
    if report is not None:
        report.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    click.echo(_in_words(summary))
    if interrupted:
        raise SystemExit(_INTERRUPTED)
    if told.failed:
        raise SystemExit(_SOME_FAILED)


def _read(images: Path | None, auth: Path | None, config: Path | None) -> tuple[Entrances, list[Rule]]:
    """Raises Invalid with the mistakes of all files."""
    from chalicelib.migration.documents import from_text
    from chalicelib.migration.files import read_entrances, read_rules

    if config is not None and (images is not None or auth is not None):
        raise Invalid("config", "--config stands instead of --images and --auth")
    if config is None and images is None:
        raise Invalid("images", "--images says what is to be brought where")

    def document(path: Path | None, field: str) -> Document:
        text = path.read_text(encoding="utf-8", errors="replace") if path is not None else "{}"
        return from_text(text, field, str(path) if path is not None else "", yaml_too=True)

    mistakes: list[tuple[str, str]] = []
    entrances, rules = None, None
    whole = document(config, "config") if config is not None else None
    for field in ("auth", "images"):
        try:
            part = whole.part(field) if whole is not None else document(auth if field == "auth" else images, field)
            if field == "auth":
                entrances = read_entrances(part, os.environ)
            else:
                rules = read_rules(part, os.environ)
                _refuse_nowhere(part, rules)
        except Invalid as wrong:
            mistakes += wrong.fields
    if mistakes or entrances is None or rules is None:
        raise Invalid.many(mistakes)
    return entrances, rules


def _refuse_nowhere(document: Document, rules: list[Rule]) -> None:
    nowhere = [rule for rule in rules if not rule.target.host]
    if nowhere:
        what = "its destination names no registry, like registry.example/team/app"
        raise Invalid.many([document.mistake(rule.entry, what) for rule in nowhere])


def _run(entrances: Entrances, rules: list[Rule], proc: int, retries: int, told: _Telling) -> bool:
    """Whether it was interrupted."""
    from chalicelib.migration.registries import Registries
    from chalicelib.migration.running import Run
    from chalicelib.ports.outbound import Outbound

    # Whoever types the command may call what he may reach.
    with Outbound(allow_private=True).keeping() as calls:
        registries = Registries(entrances, calls, time.sleep)
        run = Run(registries, proc=proc, retries=retries, tell=told.tell, expect=told.expect)
        with _stopping(run.stop):
            run.run(rules)
        registries.close()
    return run.stopped


@contextmanager
def _stopping(stop: Any) -> Iterator[None]:
    """Ctrl-C lets what is on its way end; once more, and nothing is waited for."""

    def interrupted(_signal: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        click.echo("stopping; press Ctrl-C again to stop at once", err=True)
        stop()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Telling:
    """What became of each image: a bar that moves, or lines; the log; the summary."""

    def __init__(self, held: ExitStack, log: TextIO | None) -> None:
        self._held = held
        self._log = log
        self._bar: Any = None
        self._begun = time.monotonic()
        self._verdicts: Counter[str] = Counter()
        self._images = self._moved = self._skipped = 0
        self.failed: list[dict[str, Any]] = []

    def expect(self, images: int) -> None:
        self._images = images
        if sys.stdout.isatty():
            bar: Any = click.progressbar(
                length=images, label="images", show_pos=True, item_show_func=lambda _: self._shown()
            )
            self._bar = self._held.enter_context(bar)
        else:
            click.echo(f"{images} images")

    def tell(self, result: Result) -> None:
        record = self._record(result)
        self._verdicts[result.outcome.verdict] += 1
        self._moved += result.outcome.moved
        self._skipped += result.outcome.skipped
        if self._log is not None:
            self._log.write(json.dumps(record, ensure_ascii=False) + "\n")
            self._log.flush()
        if result.failed and result.outcome.verdict != "unfinished":
            self.failed.append(record)
            click.echo(("\r\033[K" if self._bar is not None else "") + _line(record))
        if self._bar is not None:
            self._bar.update(1, self._images)

    @property
    def summary(self) -> dict[str, Any]:
        return {
            "images": self._images,
            "verdicts": dict(self._verdicts),
            "bytes_moved": self._moved,
            "bytes_skipped": self._skipped,
            "seconds": round(time.monotonic() - self._begun, 3),
            "failed": self.failed,
        }

    def _record(self, result: Result) -> dict[str, Any]:
        outcome = result.outcome
        record: dict[str, Any] = {
            "source": result.image.source_name if result.image is not None else result.entry,
            "target": result.image.target_name if result.image is not None else "",
            "digest": outcome.digest,
            "verdict": outcome.verdict,
            "bytes_moved": outcome.moved,
            "bytes_skipped": outcome.skipped,
            "seconds": round(result.seconds, 3),
        }
        if result.failed:
            record |= {"reason": outcome.reason, "message": outcome.message}
            record |= {"advice": _ADVICE[outcome.reason]} if outcome.reason in _ADVICE else {}
        return record

    def _shown(self) -> str:
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"{_size(self._moved)} moved{failed}"


def _line(record: dict[str, Any]) -> str:
    where = f" -> {record['target']}" if record["target"] else ""
    why = record["message"] or record["reason"]
    advice = f"; {record['advice']}" if "advice" in record else ""
    return f"{record['verdict']}: {record['source']}{where}: {why}{advice}"


def _in_words(summary: dict[str, Any]) -> str:
    verdicts = ", ".join(f"{number} {verdict}" for verdict, number in sorted(summary["verdicts"].items()))
    stopped = "; interrupted, run it again to go on" if summary["interrupted"] else ""
    moved, skipped = _size(summary["bytes_moved"]), _size(summary["bytes_skipped"])
    told = verdicts or "nothing to do"
    return f"{told}; {moved} moved, {skipped} there already; {summary['seconds']:.1f} s{stopped}"


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
