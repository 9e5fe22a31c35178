"""``python -m benchmarks.retention``: what a run of retention costs, and whether it does what the oracle says.

A namespace of many repositories in one embedded stack. Tags share images, some are immutable, some accelerated, some
moments have several pushes. A dry run, then a run whose process is killed again and again (SIGKILL) while tags are
pushed that were to go. Every verdict, reason and rule of both is held to the oracle of the tests, every tag to the
verdict. Prints a page of results; ``--output`` also writes it to a file.
"""

import argparse
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from chalicelib.chain import WORKERS
from chalicelib.collection.service import Fsck
from chalicelib.immutability.models import NewRule
from chalicelib.immutability.policies import Policies
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel import media
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.names import Digest, RepositoryName, TagName
from chalicelib.kernel.paging import every
from chalicelib.kernel.principal import Principal
from chalicelib.kernel.settings import Settings
from chalicelib.namespaces.models import NewNamespace
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack, open_stack
from chalicelib.registry.models import Caller
from chalicelib.registry.service import Registry
from chalicelib.repositories.models import Repository
from chalicelib.repositories.service import Repositories
from chalicelib.retention.models import NewRetentionRule, RunOrder
from chalicelib.retention.service import Retention
from chalicelib.tasks.models import Task
from chalicelib.tasks.service import Tasks
from tests.faults.ports import Faults, faulty
from tests.registry.images import image, push_blob, push_manifest
from tests.retention.oracle import OracleRule, OracleTag, expected

RULES = [("{app-*,base-*}", "v*", 20), ("app-1*", "{nightly-*,v1*}", 30), ("base-*", "**", 5)]
IMMUTABLE = "v3*"
# The claim of a process that was killed runs out after five minutes: whoever resumes comes so much later.
CLAIM_S = 301.0
_ROWS_A_BATCH = 1000

Told = dict[tuple[str, str], tuple[str, str, str]]


@dataclass
class LaterClock:
    """The machine's clock, some time ahead."""

    ahead_s: float = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.ahead_s)


@dataclass
class Cost:
    """Of a run, or a part of one."""

    seconds: float = 0.0
    tags: int = 0
    calls: Counter[str] = field(default_factory=Counter)

    def row(self, name: str) -> str:
        thousands = self.tags / 1000
        busiest = ", ".join(f"{call} {count / thousands:.0f}" for call, count in self.calls.most_common(5))
        return (
            f"| {name} | {self.tags:,} | {self.seconds:.0f} | {1000 * self.seconds / thousands:.0f} | "
            f"{sum(self.calls.values()) / thousands:.0f} | {busiest} |"
        )


class Bench:
    def __init__(self, stack: Stack, clock: LaterClock, repositories: int, tags: int, images: int) -> None:
        self.stack = stack
        self.clock = clock
        self.images = images
        self.dice = random.Random(7)
        self.instance: Instance = Instances(stack).create(
            name="bench", edition="enterprise", bucket="bench", account_id="default", repository_limit=10**6
        )
        self.caller = Caller(self.instance, Principal("primary", "admin", self.instance.id, 1))
        new = NewNamespace.model_validate({"name": "library", "auto_create_repository": True})
        self.namespace = Namespaces(stack).create(self.instance, new)
        self.repositories: dict[str, Repository] = {}
        self.bodies: dict[str, list[bytes]] = {}
        kinds = ("app", "base", "tool")
        for number in range(repositories):
            self._fill(f"{kinds[number % 10 % 3]}-{number}", tags)
        retention = Retention(stack)
        for patterns, wanted, keep_last in RULES:
            body = {"repositories": patterns, "tags": wanted, "keep_last": keep_last}
            retention.add_rule(self.namespace, NewRetentionRule.model_validate(body), "ann")
        frozen = NewRule.model_validate({"namespace": "library", "tags": IMMUTABLE})
        self.frozen = Policies(stack).add(self.instance, frozen, "ann").id

    def _fill(self, name: str, tags: int) -> None:
        """Images through the registry's own door; rows of tags that point to them, as pushes leave them."""
        full = RepositoryName.parse(f"library/{name}")
        registry = Registry(self.stack)
        self.bodies[name] = []
        for number in range(self.images):
            layer = f"{name} {number}".encode() * 100
            for data in (b"{}", layer):
                push_blob(registry, self.caller, data, full)
            self.bodies[name].append(image(layer))
            push_manifest(registry, self.caller, self.bodies[name][-1], name=full)
        repository = self.repositories[name] = Repositories(self.stack).get(self.instance.id, full, fresh=True)
        begun = self.stack.clock.now() - timedelta(days=1)
        rows: list[dict[str, Any]] = []
        for number, tag in enumerate(_names(tags)):
            digest = Digest.of(self.bodies[name][number % self.images])
            # Every fourth shares its moment with the one before.
            pushed_at = to_text(begun + timedelta(seconds=number - (number % 4 == 3)))
            rows += _rows_of(repository.id, tag, digest, pushed_at)
        for start in range(0, len(rows), _ROWS_A_BATCH):
            self.stack.table.put_many(rows[start : start + _ROWS_A_BATCH], relaxed=True)

    # What has to come out

    def oracle(self) -> Told:
        policy = Retention(self.stack).policy(self.namespace)
        rules = [OracleRule(rule.id, rule.repositories, rule.tags, rule.keep_last) for rule in policy.rules]
        told: Told = {}
        for name, repository in self.repositories.items():
            rows = list(self.rows(repository.id))
            moments = {moment: place for place, moment in enumerate(sorted({row["pushed_at"] for row in rows}))}
            tags = [
                OracleTag(row["name"], moments[row["pushed_at"]], self.frozen if row["name"].startswith("v3") else "")
                for row in rows
            ]
            told |= {(name, tag): verdict for tag, verdict in expected(name, tags, rules).items()}
        return told

    def rows(self, repository_id: str) -> Iterator[Mapping[str, Any]]:
        first = keys.tag(repository_id, "")
        yield from every(lambda cursor: self.stack.table.query(first.pk, prefix=first.sk, cursor=cursor, limit=1000))

    def told(self, task: Task) -> Told:
        tasks = Tasks(self.stack)
        items = every(lambda cursor: tasks.items(task, "", cursor, 1000))
        return {
            (item.repository.removeprefix("library/"), item.tag): (item.verdict, item.reason, item.rule_id)
            for item in items
        }

    # Runs

    def begin(self, *, dry_run: bool) -> Task:
        return Retention(self.stack).start(self.namespace, RunOrder(dry_run=dry_run, acknowledged=True), "ann")

    def carry_out(self, task: Task) -> Cost:
        """To the end, in this process, with every call of a port counted."""
        counted, before = Faults(), self.task(task).done
        begun = time.perf_counter()
        while Tasks(faulty(self.stack, counted)).carry_out(task.instance_id, task.id, WORKERS):
            pass
        ended = self.task(task)
        if ended.state != "succeeded":
            raise RuntimeError(f"{ended.state}: {ended.error}")
        return Cost(time.perf_counter() - begun, ended.done - before, Counter(counted.calls))

    def task(self, task: Task) -> Task:
        return Tasks(self.stack).get(task.instance_id, task.id)

    def killed(self, task: Task, folder: Path, kills: int, wanted: Told) -> set[tuple[str, str]]:
        """Lets other processes carry it out, each killed after a moment; answers what was pushed meanwhile."""
        # Of these none is followed by an accelerated one, which would stay with it.
        going = sorted(place for place, told in wanted.items() if told[0] == "deleted" and place[1].endswith(".1"))
        pushed: set[tuple[str, str]] = set()
        for _ in range(kills):
            command = [sys.executable, "-m", "benchmarks.retention", "--resume", str(folder), task.instance_id, task.id]
            process = subprocess.Popen([*command, "--ahead", str(self.clock.ahead_s)])
            before = self.task(task).done
            while self.task(task).done == before and process.poll() is None:
                time.sleep(0.01)
            time.sleep(self.dice.uniform(0.0, 0.5))
            for place in self.dice.sample(going, 5):
                self._push(*place)
                pushed.add(place)
            process.send_signal(signal.SIGKILL)
            process.wait()
            self.clock.ahead_s += CLAIM_S
        return pushed

    def _push(self, name: str, tag: str) -> None:
        body = self.dice.choice(self.bodies[name])
        full = RepositoryName.parse(f"library/{name}")
        Registry(self.stack).push(self.caller, full, Digest.of(body), [TagName(tag)], body, media.OCI_MANIFEST)


def _names(tags: int) -> Iterator[str]:
    """Releases, some with an accelerated one, nightlies, `latest`."""
    made = 0
    while made < tags:
        number, kind = divmod(made, 10)
        names = [f"v{number % 5}.{number}.{kind}", f"nightly-{made}", f"v{number % 5}.{number}.2-accelerated"]
        yield "latest" if made == tags // 2 else names[(kind >= 6) + (kind == 9)]
        made += 1


def _rows_of(repository_id: str, tag: str, digest: Digest, pushed_at: str) -> list[dict[str, Any]]:
    hold = keys.hold(repository_id, digest, "TAG", tag)
    return [
        {
            **keys.tag(repository_id, tag)._asdict(),
            "i1pk": keys.pushed_order(repository_id),
            "i1sk": f"{pushed_at}#{tag}",
            "repository_id": repository_id,
            "name": tag,
            "digest": digest,
            "push": new_id(),
            "version": 1,
            "media_type": media.OCI_MANIFEST,
            "size": 1000,
            "pushed_at": pushed_at,
            "pushed_by": "admin",
        },
        {**hold._asdict(), "digest": digest, "kind": "TAG", "owner": tag, "index": ""},
    ]


def verify(wanted: Told, told: Told, pushed: set[tuple[str, str]]) -> int:
    """How many verdicts were compared. Raises AssertionError at the first that is not as it has to be."""
    for place, verdict in wanted.items():
        # What was pushed before the run came to it is skipped, what was pushed afterwards is deleted and there again.
        assert place in pushed or told.get(place) == verdict, (place, told.get(place), verdict)
    assert set(told) <= set(wanted)
    return len(wanted)


def verify_tags(bench: Bench, wanted: Told, pushed: set[tuple[str, str]]) -> None:
    for name, repository in bench.repositories.items():
        left = {(name, row["name"]) for row in bench.rows(repository.id)}
        for place in left:
            assert place not in wanted or wanted[place][0] == "kept" or place in pushed, (place, wanted[place])
        stays = {place for place, verdict in wanted.items() if place[0] == name and verdict[0] == "kept"}
        stays |= {place for place in pushed if place[0] == name}
        assert stays <= left, sorted(stays - left)[:5]


def resume(folder: Path, instance_id: str, task_id: str, ahead_s: float) -> None:
    with open_stack(_settings(folder), LaterClock(ahead_s)) as stack:
        while Tasks(stack).carry_out(instance_id, task_id, WORKERS):
            pass


def _settings(folder: Path) -> Settings:
    return Settings(data=folder / "data", bucket="bench")


def measure(options: argparse.Namespace, folder: Path) -> str:
    clock = LaterClock()
    with open_stack(_settings(folder), clock) as stack:
        begun = time.perf_counter()
        bench = Bench(stack, clock, options.repositories, options.tags, options.images)
        wanted = bench.oracle()
        print(f"{len(wanted):,} covered tags made in {time.perf_counter() - begun:.0f} s", flush=True)
        dry = bench.begin(dry_run=True)
        rows = [bench.carry_out(dry).row("dry run")]
        compared = verify(wanted, bench.told(dry), set())
        print(rows[-1], flush=True)
        run = bench.begin(dry_run=False)
        pushed = bench.killed(run, folder, options.kills, wanted)
        print(f"{options.kills} kills, {bench.task(run).done:,} tags done by then", flush=True)
        rows.append(bench.carry_out(run).row(f"run, after {options.kills} kills"))
        print(rows[-1], flush=True)
        told = bench.told(run)
        verify(wanted, told, pushed)
        by_name = Counter(verdict[:2] for verdict in told.values())
        verify_tags(bench, wanted, pushed)
        ended = bench.task(run)
        assert ended.done == len(told), (ended.done, len(told))
        assert dict(ended.counts) == dict(Counter(verdict for verdict, _, _ in told.values()))
        found = list(Fsck(stack).run()) if options.fsck else ["not asked here"]
    return report(options, rows, compared, len(pushed), by_name, found)


def report(
    options: argparse.Namespace,
    rows: list[str],
    compared: int,
    pushed: int,
    by_name: Mapping[tuple[str, str], int],
    found: list[Any],
) -> str:
    where = f" --data {options.data}" if options.data else ""
    shape = f"--repositories {options.repositories} --tags {options.tags} --images {options.images}"
    shape += f" --kills {options.kills}{where}"
    lines = [
        f"## {options.repositories:,} repositories of {options.tags} tags, {options.images} images each",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC: `python -m benchmarks.retention {shape}`",
        "",
        f"{os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[1]:.1f} (5 min). Calls are "
        "those of table, objects and queues.",
        "",
        "| | tags | s | ms per 1,000 tags | calls per 1,000 tags | most of them |",
        "| --- | --- | --- | --- | --- | --- |",
        *rows,
        "",
        f"{compared:,} verdicts of each, with reason and rule, equal the oracle's. {pushed} tags that were to go were "
        f"pushed meanwhile: all are there. {f'`crs fsck`: {found[0]}' if found else 'Of `crs fsck` no finding'}.",
        "",
        "| verdict | reason | tags |",
        "| --- | --- | --- |",
        *(f"| {verdict} | {reason} | {count:,} |" for (verdict, reason), count in sorted(by_name.items())),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retention", description=__doc__)
    parser.add_argument("--repositories", type=int, default=1000)
    parser.add_argument("--tags", type=int, default=200, help="of each repository")
    parser.add_argument("--images", type=int, default=5, help="of each repository: its tags share them")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--data", type=Path, help="where to make the folder that is used")
    parser.add_argument("--fsck", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--output", type=Path, help="the page is added at its end")
    parser.add_argument("--resume", nargs=3, metavar=("FOLDER", "INSTANCE", "TASK"), help="carry out a run")
    parser.add_argument("--ahead", type=float, default=0.0)
    options = parser.parse_args()
    if options.resume:
        resume(Path(options.resume[0]), options.resume[1], options.resume[2], options.ahead)
        return
    with tempfile.TemporaryDirectory(dir=options.data) as folder:
        page = measure(options, Path(folder))
    print(page)
    if options.output:
        with options.output.open("a") as file:
            file.write(page)


if __name__ == "__main__":
    main()
