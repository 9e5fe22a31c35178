"""C1, G5: what the console refuses, and what every answer of it carries. The whole application, without a browser."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx
import pytest

from chalicelib.console.application import SAFE, Console
from chalicelib.console.pages import Page
from chalicelib.console.screens import PAGES
from chalicelib.console.static import Static
from chalicelib.console.visit import ROOT, SESSION_COOKIE, fitting
from chalicelib.edge.apicall import BODY_LIMIT_BYTES
from chalicelib.gate import ServiceGate
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.console.browsing import OWN_ORIGIN, Browser
from tests.management import ADDRESS, PASSWORD, Api
from tests.registry.library import Library
from tests.stacks import embedded_stack

# What a page of ours has a browser send.
OURS: Final = {"sec-fetch-site": "same-origin"}
FORM: Final = {"content-type": "application/x-www-form-urlencoded"}
POSTS: Final = [page for page in PAGES if page.method == "POST"]
# These leave a cookie and ask nothing: the page that they lead to does.
CHOICES: Final = tuple(page for page in POSTS if page.path.endswith("/client"))
GETS: Final = [page for page in PAGES if page.method == "GET"]


@dataclass(frozen=True)
class Raw:
    """The console as a socket has it: any method, path, headers and bytes; no redirect is followed."""

    console: Console
    token: str = ""

    def send(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.console, client=(ADDRESS, 50000))
            async with httpx.AsyncClient(transport=transport, base_url=OWN_ORIGIN) as client:
                if self.token:
                    client.cookies.set(SESSION_COOKIE, self.token, domain="127.0.0.1", path=ROOT)
                return await client.request(method, ROOT + path, headers=headers, content=body)

        return asyncio.run(send())

    def post(self, path: str, headers: Mapping[str, str], body: bytes = b"a=b") -> httpx.Response:
        return self.send("POST", path, {**FORM, **headers}, body)


@dataclass(frozen=True)
class Place:
    """One service for all tests of this file. None of them leaves it changed."""

    stack: Stack
    instance_id: str
    owner: Raw
    nobody: Raw

    def rows(self) -> str:
        """Of everything that is kept."""
        found = hashlib.sha256()
        for file in sorted(self.stack.settings.data.glob("*.sqlite3")):
            with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
                for line in database.iterdump():
                    found.update(line.encode())
        return found.hexdigest()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with embedded_stack(tmp_path_factory.mktemp("safety")) as stack:
        library = Library.opened(stack)
        library.push("v1")
        console = Console(stack, ServiceGate())
        yield Place(stack, library.instance.id, Raw(console, library.api().token), Raw(console))


def path_of(page: Page, instance: str = "ci") -> str:
    """Of something that may be there, or may not: whoever is refused does not learn which."""
    known = {"instance": instance, "namespace": "library", "repository": "app", "tag": "v1"}
    return re.sub(r"\{([a-z_]+)(?::path)?\}", lambda part: known.get(part[1], "one"), page.path)


# Forged requests ------------------------------------------------------------------------------------------------

FORGERIES: Final[Mapping[str, Mapping[str, str]]] = {
    "nothing said": {},
    "another site's page": {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
    "a neighbour's page": {"sec-fetch-site": "same-site", "origin": "http://other.127.0.0.1:5000"},
    "an address typed in": {"sec-fetch-site": "none"},
    "another origin": {"origin": "https://evil.example"},
    "another port": {"origin": "http://127.0.0.1:5001"},
    "another scheme": {"origin": "https://127.0.0.1:5000"},
    "a sandboxed frame": {"origin": "null"},
    "an origin within another": {"origin": "http://127.0.0.1:5000.evil.example"},
    "a page that says both": {"sec-fetch-site": "cross-site", "origin": OWN_ORIGIN},
    "htmx from elsewhere": {"sec-fetch-site": "cross-site", "hx-request": "true", "hx-target": "list"},
    "plain text": {"content-type": "text/plain", "origin": "https://evil.example"},
    "parts": {"content-type": "multipart/form-data; boundary=x", "origin": "null"},
}


@pytest.mark.parametrize("page", POSTS, ids=lambda page: page.path)
def test_a_change_that_no_page_of_ours_asked_for_is_refused(place: Place, page: Page) -> None:
    """C1: whatever it says of itself; and nothing is changed."""
    before = place.rows()
    found = {name: place.owner.post(path_of(page), headers).status_code for name, headers in FORGERIES.items()}
    assert {name: status for name, status in found.items() if status != 403} == {}
    assert place.rows() == before


def test_a_page_of_ours_is_believed_by_either_header(place: Place) -> None:
    for headers in (OURS, {"origin": OWN_ORIGIN}):
        assert place.owner.post("/preferences", headers, b"theme=dark").status_code == 303


# Who has not signed in, and who belongs to somebody else ------------------------------------------------------


def test_who_has_not_signed_in_sees_the_sign_in_and_nothing_else(place: Place) -> None:
    """G5"""
    before, let_in = place.rows(), []
    for raw in (place.nobody, Raw(place.owner.console, "made-up")):
        for page in [page for page in PAGES if not page.open and page not in CHOICES]:
            answer = raw.send(page.method, path_of(page), {**OURS, **FORM})
            if answer.status_code != 303 or urlsplit(answer.headers["location"]).path != f"{ROOT}/sign-in":
                let_in.append(f"{page.method} {page.path}: {answer.status_code}")
    assert let_in == []
    assert place.rows() == before


def test_what_belongs_to_another_account_is_as_if_it_were_not_there(place: Place) -> None:
    """G5: the same answer as for an instance that does not exist, word for word."""
    rival = Raw(place.owner.console, Api.signed_in(place.stack, account="rival").token)
    differ = []
    for page in [page for page in PAGES if "{instance}" in page.path and page not in CHOICES]:
        for name in ("ci", place.instance_id):
            seen = [
                rival.send(page.method, path_of(page, called), {**OURS, **FORM}) for called in (name, "x" * len(name))
            ]
            told = [_without_ids(answer.text.replace(name, "?").replace("x" * len(name), "?")) for answer in seen]
            if seen[0].status_code != seen[1].status_code or told[0] != told[1] or seen[0].status_code < 400:
                differ.append(f"{page.method} {page.path}: {seen[0].status_code} {seen[1].status_code}")
    assert differ == []


def _without_ids(html: str) -> str:
    return re.sub(r"\b[0-9A-HJKMNP-TV-Z]{26}\b", "", html)


# Sessions and cookies -----------------------------------------------------------------------------------------


def _end_by_sign_out(_: Stack, browser: Browser) -> None:
    browser.post("/sign-out")


def _end_by_reset(stack: Stack, _: Browser) -> None:
    assert Api.signed_in(stack).patch("/users/developer", {"password": PASSWORD[::-1]}).status == 200


def _end_by_role(stack: Stack, _: Browser) -> None:
    assert Api.signed_in(stack).patch("/users/developer", {"role": "reader"}).status == 200


def _end_by_suspension(stack: Stack, _: Browser) -> None:
    operator = Api.signed_in(stack, account="operators", operator=True)
    assert operator.patch("/accounts/default", {"state": "suspended"}).status == 200


@pytest.mark.parametrize("ending", [_end_by_sign_out, _end_by_reset, _end_by_role, _end_by_suspension])
def test_a_session_ends_with_what_it_stood_on(stack: Stack, ending: Callable[[Stack, Browser], None]) -> None:
    """G5: the token itself is worth nothing any more, whoever kept it."""
    Library.opened(stack)
    browser = Browser.signed_in(stack, Role.DEVELOPER)
    kept = browser.cookies.get(SESSION_COOKIE)
    assert kept
    assert browser.get("/instances/ci/allowlist").path.startswith("/instances")
    ending(stack, browser)
    assert Browser(stack, kept).get("/instances/ci/allowlist").path.startswith("/sign-in")


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_no_script_reads_a_cookie_and_no_other_site_sends_it_along(tmp_path: Path, tls: bool) -> None:
    """G5"""
    with embedded_stack(tmp_path, tls_cert=tmp_path if tls else None) as stack:
        Api.signed_in(stack)
        raw = Raw(Console(stack, ServiceGate()))
        body = f"account=default&username=owner&password={PASSWORD}".encode()
        told = [raw.post("/sign-in", OURS, body), raw.post("/preferences", OURS, b"language=zh-CN&theme=dark")]
        cookies = [cookie for answer in told for cookie in answer.headers.get_list("set-cookie")]
    assert len(cookies) == 3
    for cookie in cookies:
        flags = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"httponly", "samesite=lax", "path=/console"} <= flags
        assert ("secure" in flags) is tls
        assert not any(flag.startswith("domain") for flag in flags)


# What every answer carries ------------------------------------------------------------------------------------


def answers(place: Place) -> Iterator[httpx.Response]:
    static = [f"/static/{file.mark}/{name}" for name, file in Static.loaded().files.items()]
    paths = ["", "/", "/sign-in", "/nowhere", "/instances/ci/allowlist", "/instances/none/allowlist", "/static/a/b"]
    for raw in (place.owner, place.nobody):
        for path in (*paths, *static):
            for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "POST"):
                yield raw.send(method, path)
    yield place.owner.post("/sign-in", OURS, b"\xff")
    yield place.owner.post("/sign-in", OURS, b"a=" + b"b" * BODY_LIMIT_BYTES)
    yield place.owner.send("GET", "/instances/ci/allowlist", {"hx-request": "true", "hx-target": "list"})


def test_every_answer_carries_what_keeps_browsers_safe(place: Place) -> None:
    """C1: pages, parts of pages, refusals, ways elsewhere, files, and what no page is asked with."""
    lacking = [
        f"{answer.request.method} {answer.request.url.path} {answer.status_code}: {name}"
        for answer in answers(place)
        for name, value in SAFE.items()
        if answer.headers.get_list(name) != [value]
    ]
    assert lacking == []


def test_nothing_but_files_is_kept_by_anybody(place: Place) -> None:
    kept = [
        answer.request.url.path
        for answer in answers(place)
        if answer.status_code == 200
        and ("no-store" in answer.headers["cache-control"]) is ("/static/" in answer.url.path)
    ]
    assert kept == []


def test_no_page_holds_a_script_a_style_or_the_sessions_token(place: Place) -> None:
    """C1: the policy forbids the former. Pages are packed together with what an address says, and a secret among them
    could be guessed by their size (BREACH): those that are shown once come as the answer to a form of ours alone."""
    assert "unsafe" not in SAFE["Content-Security-Policy"]
    token, found = place.owner.token, []
    for page in GETS:
        html = place.owner.send("GET", f"{path_of(page)}?search={token[:8]}").text
        found += re.findall(r"<script(?![^>]*\ssrc=)|\sstyle=|\son[a-z]+=|javascript:", html)
        found += [page.path] * (token in html)
    assert found == []


# Ways elsewhere -----------------------------------------------------------------------------------------------

ELSEWHERE: Final = (
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example/",
    "\\\\evil.example/",
    "/console/\\evil.example",
    "/console\t//evil.example",
    "\t//evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "/api/v1/session",
    "console/",
    "/console@evil.example/",
    "/console.evil.example/",
    "/console/\r\nSet-Cookie: a=b",
    "",
)


@pytest.mark.parametrize("to", ELSEWHERE)
def test_nobody_is_sent_elsewhere(place: Place, to: str) -> None:
    """C1: by a link to our own sign-in, or a form."""
    sign_in = {"account": "default", "username": "owner", "password": PASSWORD, "to": to}
    for path, fields in (("/sign-in", sign_in), ("/preferences", {"theme": "dark", "to": to})):
        answer = place.nobody.post(path, OURS, str(httpx.QueryParams(fields)).encode())
        assert (answer.status_code, answer.headers["location"]) == (303, f"{ROOT}/")
        assert "a" not in answer.cookies
    shown = place.nobody.send("GET", f"/sign-in?{httpx.QueryParams({'to': to})}").text
    assert f'name="to" value="{ROOT}/"' in shown


# What no browser sends ----------------------------------------------------------------------------------------

MALFORMED: Final[Mapping[str, bytes]] = {
    "bytes that are no text": b"username=\xff\xfe",
    "escaped bytes that are no text": b"username=%ff%fe",
    "half a character": b"username=%e4%bd",
    "ten thousand fields": b"&".join(b"f%d=1" % number for number in range(10_000)),
    "ten thousand times the same": b"&".join([b"username=a"] * 10_000),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=list(MALFORMED))
def test_a_form_that_no_page_could_have_sent_is_refused(place: Place, body: bytes) -> None:
    assert place.nobody.post("/sign-in", OURS, body).status_code == 400


def test_what_is_too_long_is_not_read(place: Place) -> None:
    assert place.nobody.post("/sign-in", OURS, b"a=" + b"b" * BODY_LIMIT_BYTES).status_code == 413
    said_longer = {**OURS, "content-length": str(BODY_LIMIT_BYTES * 10)}
    assert place.nobody.post("/sign-in", said_longer, b"a=b").status_code == 413


ODD: Final = ("%00", "a%00b", "%E2%80%AE", "%FF", "..%2F..", "'%22%3E%3Cscript%3E", "{{7*7}}", "%0d%0aX-A:b", "x" * 999)
_NAMES: Final = (
    *("name", "cidr", "remark", "username", "password", "account", "role", "url", "tag", "to", "confirm", "pattern"),
    *("cron", "limit", "days"),
)
_VALUES: Final = ("\x00", "\u202e<b>", "-1", "9" * 400, "[]", "\ud7ff\U0001f600" * 2000)


def test_odd_names_in_addresses_are_refused_and_never_fail(place: Place) -> None:
    """Each page gets two of them in its path, and two after it."""
    failed = []
    for at, page in enumerate(GETS):
        for odd in (ODD[(at + step) % len(ODD)] for step in (0, 4)):
            for address in (
                _with_parts(page, odd),
                f"{path_of(page)}?search={odd}&cursor={odd}&sort={odd}&check={odd}",
            ):
                answer = place.owner.send("GET", address)
                if answer.status_code >= 500 or "x-a" in answer.headers or _shows_a_script(answer):
                    failed.append(f"{address}: {answer.status_code}")
    assert failed == []


def test_a_form_full_of_odd_things_is_refused_and_never_fails(place: Place) -> None:
    failed = []
    bodies = {odd: str(httpx.QueryParams(dict.fromkeys(_NAMES, odd))).encode() for odd in _VALUES}
    for at, page in enumerate(page for page in POSTS if not page.open):
        for odd in (_VALUES[at % len(_VALUES)], _VALUES[(at + 3) % len(_VALUES)]):
            answer = place.owner.post(path_of(page), OURS, bodies[odd])
            if answer.status_code >= 500:
                failed.append(f"{page.path}: {odd[:10]!r}: {answer.status_code}")
    assert failed == []


def _shows_a_script(answer: httpx.Response) -> bool:
    """Exports hold what they hold; no browser takes them for a page."""
    return "<script>" in answer.text and answer.headers["content-type"].startswith("text/html")


def _with_parts(page: Page, odd: str) -> str:
    return re.sub(r"\{[^}]+\}", lambda _: odd, page.path)


def test_a_file_is_kept_under_the_mark_of_its_own_content_alone(place: Place) -> None:
    """C1: while a new version comes up, its pages may ask a server of before."""
    own = Static.loaded().address("console.css").removeprefix(ROOT)
    assert "immutable" in place.nobody.send("GET", own).headers["cache-control"]
    another = place.nobody.send("GET", "/static/0123456789ab/console.css")
    assert (another.status_code, another.headers["cache-control"]) == (200, "no-store")


def test_a_notice_is_no_longer_than_browsers_keep() -> None:
    """C1: in whatever letters."""
    for text in ("删" * 2000, "a" * 9000, "short"):
        told = fitting(text, "/undo")
        kept = json.loads(unquote(told))
        assert len(told) < 3800
        assert (text.startswith(kept["text"]), len(kept["text"]) > 4, kept["undo"]) == (True, True, "/undo")


def test_htmx_keeps_no_page_and_going_back_loads_a_whole_one(place: Place) -> None:
    """C1: no secret stays in a browser's storage; a page put together of parts would have dialogs that do not open."""
    page = Browser(place.stack).get("/sign-in").html
    (written,) = re.findall(r"""name="htmx-config" content='([^']*)'""", page)
    config = json.loads(written)
    assert (config["historyCacheSize"], config["refreshOnHistoryMiss"], config["allowEval"]) == (0, True, False)
