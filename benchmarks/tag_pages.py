"""``python -m benchmarks.tag_pages``: does a page of the management API's tag list cost more because more is stored?

Two repositories in one embedded stack, one with 10 tags and one with 100 000, are asked in turn through the Chalice app
as API Gateway would: signed in, through the gate, JSON at the end. Pages have 10 rows, so that both give as much.
Prints a page of results; ``--output`` also writes it to a file.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import app
from chalicelib.accounts.service import Accounts
from chalicelib.edge.apicall import given
from chalicelib.edge.endpoint import PREFIX
from chalicelib.host.proxy_event import Paths, proxy_event
from chalicelib.instances.models import Instance
from chalicelib.instances.service import Instances
from chalicelib.kernel import media
from chalicelib.kernel.ids import new_id
from chalicelib.kernel.moment import to_text
from chalicelib.kernel.names import Digest, RepositoryName
from chalicelib.kernel.principal import Principal
from chalicelib.kernel.roles import Role
from chalicelib.kernel.settings import Settings
from chalicelib.namespaces.models import NewNamespace
from chalicelib.namespaces.service import Namespaces
from chalicelib.ports import keys
from chalicelib.ports.stack import Stack, open_stack
from chalicelib.registry.models import Caller
from chalicelib.registry.service import Registry
from chalicelib.repositories.service import Repositories

SMALL_TAGS, LARGE_TAGS = 10, 100_000
ROWS_A_PAGE = 10
# Tags share manifests in practice: every page joins several.
_IMAGES = 50
_ROWS_A_BATCH = 1000
_PASSWORD = "correct-horse-battery-42"
TOLERANCE = 2.0
"""What a page's p99 may cost beside the one of the small repository."""

BY_INDEX: dict[str, dict[str, str]] = {
    "by name": {},
    "by name, descending": {"sort": "-name"},
    "by push time, newest first": {"sort": "-pushed_at"},
    "by prefix": {"prefix": "v1."},
}
BY_PASSES: dict[str, dict[str, str]] = {
    "substring that many have": {"search": "1."},
    "substring that none has": {"search": "nowhere"},
    "by size": {"sort": "-size"},
}


@dataclass
class Timing:
    """Milliseconds of each page asked for, and the rows that came."""

    pages_ms: list[float] = field(default_factory=list)
    rows: int = 0

    def at(self, share: float) -> float:
        ordered = sorted(self.pages_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Asking:
    """A signed-in owner of the stack's account."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._paths = Paths(app.app.routes)
        accounts = Accounts(stack)
        accounts.create("default")
        accounts.create_user("default", "owner", _PASSWORD, Role.OWNER)
        self._token = accounts.sign_in("default", "owner", _PASSWORD, "127.0.0.1").token

    def page(self, path: str, query: dict[str, str], timing: Timing) -> str | None:
        """The cursor of the next page."""
        found = self._paths.find(PREFIX + path)
        if found is None:
            raise RuntimeError(f"no route for {path}")
        event = proxy_event(
            method="GET",
            route=found[0],
            path=PREFIX + path,
            parameters=found[1],
            query=urlencode(query),
            headers={"host": "localhost", "authorization": f"Bearer {self._token}"},
            body=b"",
            address="127.0.0.1",
            internal=False,
            request_id=new_id(),
        )
        begun = time.perf_counter()
        with given(self._stack):
            answer = app.app(event, None)
        timing.pages_ms.append((time.perf_counter() - begun) * 1000)
        if answer["statusCode"] != 200:
            raise RuntimeError(answer["body"])
        page: dict[str, Any] = json.loads(answer["body"])
        timing.rows += len(page["items"])
        following: str | None = page["next"]
        return following


def fill(stack: Stack, instance: Instance, name: str, tags: int) -> None:
    """Images through the registry's own door, and rows of tags that point to them."""
    repository_name = RepositoryName.parse(f"library/{name}")
    registry, caller = Registry(stack), Caller(instance, Principal("primary", "admin", instance.id, 1))
    Repositories(stack).ensure(instance, repository_name, "admin")
    digests = [_push(registry, caller, repository_name, number) for number in range(min(_IMAGES, tags))]
    repository = Repositories(stack).get(instance.id, repository_name, fresh=True)
    begun = stack.clock.now()
    rows: list[dict[str, Any]] = []
    for number in range(tags):
        rows.append(_tag(repository.id, digests[number % len(digests)], number, begun))
        if len(rows) == _ROWS_A_BATCH or number == tags - 1:
            stack.table.put_many(rows, relaxed=True)
            rows = []


def _push(registry: Registry, caller: Caller, name: RepositoryName, number: int) -> Digest:
    config = json.dumps({"os": "linux", "architecture": "amd64", "number": number}).encode()
    writer = registry.resume(caller, name, registry.start_upload(caller, name).id, 0)
    try:
        writer.append(config)
        digest = writer.finish(Digest.of(config)).digest
    finally:
        writer.close()
    described = {"mediaType": media.OCI_CONFIG, "digest": digest, "size": len(config)}
    manifest = {"schemaVersion": 2, "mediaType": media.OCI_MANIFEST, "config": described, "layers": []}
    body = json.dumps(manifest).encode()
    return registry.push(caller, name, Digest.of(body), [], body, media.OCI_MANIFEST).digest


def _tag(repository: str, digest: str, number: int, begun: datetime) -> dict[str, Any]:
    name, pushed_at = f"v{1 + number // 1000}.{number % 1000}", to_text(begun + timedelta(seconds=number))
    return {
        **keys.tag(repository, name)._asdict(),
        "i1pk": keys.pushed_order(repository),
        "i1sk": f"{pushed_at}#{name}",
        "repository_id": repository,
        "name": name,
        "digest": digest,
        "push": new_id(),
        "version": 1,
        "media_type": media.OCI_MANIFEST,
        "size": number,
        "pushed_at": pushed_at,
        "pushed_by": "admin",
    }


def _walks(asking: Asking, query: dict[str, str], requests: int, tags: int) -> dict[int, Timing]:
    """Pages of both repositories in turn, each walked along its cursors and begun again at its end."""
    timings = {SMALL_TAGS: Timing(), tags: Timing()}
    cursors: dict[int, str | None] = dict.fromkeys(timings)
    for _ in range(requests):
        for size, timing in timings.items():
            asked = {**query, "limit": str(ROWS_A_PAGE)}
            if (cursor := cursors[size]) is not None:
                asked["cursor"] = cursor
            path = f"/instances/bench/namespaces/library/repositories/tags-{size}/tags"
            cursors[size] = asking.page(path, asked, timing)
    return timings


def measure(stack: Stack, tags: int, requests: int) -> Iterator[tuple[str, bool, dict[int, Timing]]]:
    """Name of the list, whether an index serves it, and its timings by number of tags."""
    instance = Instances(stack).create(name="bench", edition="enterprise", bucket="bench", account_id="default")
    Namespaces(stack).create(instance, NewNamespace.model_validate({"name": "library", "auto_create_repository": True}))
    asking = Asking(stack)
    for size in (SMALL_TAGS, tags):
        fill(stack, instance, f"tags-{size}", size)
    for name, query in BY_INDEX.items():
        _walks(asking, query, 30, tags)
        yield name, True, _walks(asking, query, requests, tags)
    for name, query in BY_PASSES.items():
        yield name, False, _walks(asking, query, max(20, requests // 10), tags)


def report(found: list[tuple[str, bool, dict[int, Timing]]], tags: int, requests: int) -> str:
    lines = [
        "# Pages of the tag list",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC: `python -m benchmarks.tag_pages --tags {tags} --requests {requests}`",
        "",
        f"{os.cpu_count()} cores, Python {platform.python_version()}, load before the run {os.getloadavg()[1]:.1f} "
        "(5 min). Embedded stack; each",
        f"figure is milliseconds of one whole request through the Chalice app, pages of {ROWS_A_PAGE} rows along their",
        "cursors, the two repositories in turn.",
        "",
        f"| list | {SMALL_TAGS} tags: median · p99 | {tags:,} tags: median · p99 | p99 beside the small one |",
        "| --- | --- | --- | --- |",
    ]
    for name, indexed, timings in found:
        small, large = timings[SMALL_TAGS], timings[tags]
        ratio = large.at(0.99) / small.at(0.99)
        verdict = f"{'✓' if ratio <= TOLERANCE else '✗'} {ratio:.2f}×" if indexed else "a pass of at most 5,000 rows"
        lines.append(
            f"| {name} | {small.at(0.5):.2f} · {small.at(0.99):.2f} | {large.at(0.5):.2f} · {large.at(0.99):.2f} "
            f"| {verdict} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tag_pages", description=__doc__)
    parser.add_argument("--tags", type=int, default=LARGE_TAGS)
    parser.add_argument("--requests", type=int, default=500, help="pages of each list and repository")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=Path(folder) / "data", bucket="bench")
        with open_stack(settings) as stack:
            found = list(measure(stack, options.tags, options.requests))
    page = report(found, options.tags, options.requests)
    print(page)
    if options.output:
        options.output.write_text(page)


if __name__ == "__main__":
    main()
