"""C1: whatever users and their images say, pages show it and do nothing of it.

The world of all screens is furnished again, by an API that adds markup, template syntax, control characters and a
right-to-left override to every free text, with a database and an image of the same kind.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import quote

import pytest

from chalicelib.console.screens import PAGES
from chalicelib.ports.stack import Stack
from tests.console.browsing import Browser
from tests.console.furnished import PARTS, SCREENS
from tests.console.world import Screen, World
from tests.management import Api, Reply
from tests.scanning.shelf import DATABASE, DEBIAN, Shelf
from tests.stacks import embedded_stack

OVERRIDE: Final = "\u202e"
HOSTILE: Final = (
    f"\"'><probe onprobe=1 style=a><script>probe()</script>&lt;{{{{7777*7777}}}}{{%if%}}%(x)s\\{OVERRIDE}\u0007"
)
# What people write freely. Names, patterns and addresses have rules of their own, which tests of their rooms hold.
FREE: Final = frozenset({"remark", "summary", "description", "reason", "display_name", "comment", "text", "note"})
VOID: Final = frozenset({"input", "meta", "link", "br", "use", "rect", "line", "path", "img", "hr", "wbr", "col"})
BLOCKS: Final = frozenset({"p", "td", "th", "dd", "dt", "li", "h1", "h2", "h3", "div", "option"})
ISOLATES: Final = frozenset({"bdi", "code", "pre", "textarea", "title"})
ADDRESSES: Final = frozenset({"href", "src", "action", "formaction", "hx-get", "hx-post"})
IMAGE: Final[Mapping[str, Any]] = {
    "config": {
        "User": HOSTILE,
        "Entrypoint": [HOSTILE],
        "Cmd": [HOSTILE],
        "Env": [f"{HOSTILE}={HOSTILE}"],
        "Labels": {HOSTILE: HOSTILE, "org.opencontainers.image.source": "javascript:probe()"},
        "ExposedPorts": {HOSTILE: {}},
        "WorkingDir": HOSTILE,
    },
    "author": HOSTILE,
    "history": [{"created_by": HOSTILE, "comment": HOSTILE}, {"created_by": f"RUN {HOSTILE}"}],
}


@dataclass(frozen=True)
class HostileApi(Api):
    """Adds to free texts what nobody should have to read. What is refused so is sent as it was."""

    def send(
        self, method: str, path: str, body: object = None, query: Mapping[str, object] | None = None, **headers: str
    ) -> Reply:
        worse = _worse(body)
        if worse != body:
            answer = super().send(method, path, worse, query, **headers)
            if answer.status < 400:
                return answer
        return super().send(method, path, body, query, **headers)


@dataclass(frozen=True)
class HostileShelf(Shelf):
    def import_database(self, tree: Mapping[str, Any] = DATABASE, *, demonstration: bool = False) -> str:
        told = {
            name: {**told, "Title": HOSTILE, "Description": HOSTILE, "References": ["javascript:probe()", HOSTILE]}
            for name, told in tree["vulnerability"].items()
        }
        return super().import_database({**tree, "vulnerability": told}, demonstration=demonstration)


def _worse(body: object) -> object:
    if isinstance(body, dict):
        return {
            key: f"{value} {HOSTILE}" if key in FREE and isinstance(value, str) else _worse(value)
            for key, value in body.items()
        }
    return [_worse(one) for one in body] if isinstance(body, list) else body


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with embedded_stack(tmp_path_factory.mktemp("hostile"), allow_private_addresses=True) as stack:
        yield furnished_badly(stack)


def furnished_badly(stack: Stack) -> World:
    shelf = HostileShelf(Shelf.opened(stack).library)
    made = World(stack, HostileApi.signed_in(stack), shelf)
    assert isinstance(made.api, HostileApi)
    for part in PARTS:
        part.furnish(made)
    config = {**json.loads(json.dumps(IMAGE)), "os": "linux", "architecture": "amd64"}
    digest = shelf.library.push("hostile", **config)
    shelf.import_database()
    shelf.push(DEBIAN, tag="hostile-scan")
    shelf.scan("hostile-scan")
    made.known.update({"hostile digest": digest})
    return made


class Elements(HTMLParser):
    """What of a page a browser would make something of."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self._inside.append(tag)
        if tag == "probe" or (tag == "script" and not dict(attrs).get("src", "")):
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            if name.startswith("on") or name == "style":
                self.found.append(f"<{tag} {name}>")
            scheme = re.match(r"[\s\x00-\x1f]*([a-z][a-z0-9+.-]*):", value or "", re.IGNORECASE)
            if name in ADDRESSES and scheme and scheme[1].lower() not in ("http", "https"):
                self.found.append(f"<{tag} {name}={value!r}>")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            del self._inside[len(self._inside) - 1 - self._inside[::-1].index(tag) :]

    def handle_data(self, data: str) -> None:
        # A block keeps to itself which way its text runs; within it whatever follows would be turned around.
        follows = data.rpartition(OVERRIDE)[2].strip("\u0007 \n")
        alone = bool(self._inside) and self._inside[-1] in BLOCKS and not follows
        isolated = alone or "\u2069" in follows or bool(ISOLATES & set(self._inside))
        if OVERRIDE in data and not isolated:
            self.found.append(f"text that turns around what follows: {data.strip()[:60]!r}")
        if str(7777 * 7777) in data:
            self.found.append(f"worked out: {data.strip()[:60]!r}")


def elements(html: str) -> list[str]:
    reader = Elements()
    reader.feed(html)
    return reader.found


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.name)
def test_what_users_wrote_does_nothing(world: World, screen: Screen) -> None:
    """C1"""
    seen = Browser(world.stack, world.api.token if screen.signed_in else "").get(screen.path(world))
    assert (seen.status, elements(seen.html)) == (200, [])


def test_what_images_say_does_nothing(world: World) -> None:
    """C1: labels, commands, variables, history and findings, on every page of an image."""
    browser, failed, shown = Browser(world.stack, world.api.token), [], 0
    parts = {"instance": "ci", "namespace": "library", "repository": "app", "digest": world.known["hostile digest"]}
    for tag in ("hostile", "hostile-scan"):
        for page in (page for page in PAGES if page.method == "GET"):
            names = set(re.findall(r"\{([a-z_]+)", page.path))
            if names & {"tag", "digest"} and names <= {*parts, "tag"}:
                known = {name: quote(text, safe="") for name, text in {**parts, "tag": tag}.items()}
                seen = browser.get(page.path.format(**known))
                shown += "probe onprobe" in seen.html
                failed += [f"{page.path}: {one}" for one in elements(seen.html)]
                failed += [f"{page.path}: {seen.status}"] * (seen.status >= 500)
    assert failed == []
    assert shown or not any(page.path.endswith("/tags/{tag}") for page in PAGES)


def test_what_was_asked_for_does_nothing_when_it_is_shown_again(world: World) -> None:
    """C1: the words of a search, and of a form that was refused."""
    browser, failed = Browser(world.stack, world.api.token), []
    asked = quote(HOSTILE, safe="")
    for screen in SCREENS:
        if screen.signed_in:
            path = screen.path(world)
            seen = browser.get(f"{path}{'&' if '?' in path else '?'}search={asked}&sort={asked}&check={asked}")
            failed += [f"{screen.name}: {one}" for one in elements(seen.html)]
            failed += [f"{screen.name}: {seen.status}"] * (seen.status >= 500)
    assert failed == []


def test_hostile_texts_are_in_the_world(world: World) -> None:
    """Otherwise the tests above could not fail."""
    listed = world.api.get("/instances/ci/allowlist").json()["items"]
    assert all("onprobe" in one["remark"] for one in listed if one["remark"])
    assert elements(f"<p>{HOSTILE}</p>") != []
