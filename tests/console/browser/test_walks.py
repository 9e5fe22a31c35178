"""C1: what a new user does, from signing in to a second copy of an image, in a real browser on a real service.

Gone in each language, by keyboard alone, without scripts, and on a phone. What the pages did is looked for in the API.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from playwright.sync_api import Browser

from tests.console.browser.chromium import NARROW, Look, Window
from tests.console.browser.visitor import Visitor
from tests.e2e.image import MANIFEST, small_image
from tests.scanning.shelf import DEBIAN
from tests.serving import PASSWORD, Service, serving

pytestmark = pytest.mark.browser

WALKS: Final = {
    "english": (Look(), "mouse"),
    "chinese": (Look(language="zh-CN", theme="dark"), "mouse"),
    "keyboard": (Look(), "keyboard"),
    "scriptless": (Look(scripts=False), "mouse"),
    "phone": (Look(language="zh-CN", width=NARROW), "mouse"),
}
INSTANCE: Final = "/instances/default"


@dataclass(frozen=True)
class Registry:
    """The service as its operator and its API see it."""

    service: Service
    api: httpx.Client

    def ask(self, method: str, path: str, body: object = None) -> Any:
        answer = self.api.request(method, f"/api/v1{path}", json=body)
        assert answer.status_code < 300, f"{method} {path}: {answer.text}"
        return answer.json() if answer.content else None

    def tags(self, namespace: str) -> set[str]:
        answer = self.api.get(f"/api/v1{INSTANCE}/namespaces/{namespace}/repositories/app/tags")
        return {one["tag"] for one in answer.json()["items"]} if answer.status_code == 200 else set()

    def states(self, path: str) -> set[str]:
        return {one["state"] for one in self.ask("GET", path)["items"]}

    def push(self, folder: Path, name: str) -> None:
        """By skopeo as a user would, or by requests where there is none."""
        made = small_image(folder, DEBIAN)
        if shutil.which("skopeo"):
            login = f"{self.service.username}:{PASSWORD}"
            target = f"docker://{self.service.host}/{name}"
            command = ["skopeo", "copy", "--dest-tls-verify=false", "--dest-creds", login, f"oci:{made.layout}", target]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, done.stderr
            return
        repository, _, tag = name.partition(":")
        with httpx.Client(base_url=f"{self.service.url}/v2/{repository}", auth=self.service.login) as client:
            for digest in made.blobs:
                body = (made.layout / "blobs" / "sha256" / digest.partition(":")[2]).read_bytes()
                assert client.post(f"/blobs/uploads/?digest={digest}", content=body).status_code == 201
            pushed = client.put(f"/manifests/{tag}", content=made.body, headers={"content-type": MANIFEST})
            assert pushed.status_code == 201


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    folder = tmp_path_factory.mktemp("walked")
    with serving(folder / "data") as service, httpx.Client(base_url=service.url, timeout=30) as api:
        login = {"account": "default", "username": service.username, "password": PASSWORD}
        token = api.post("/api/v1/session", json=login).json()["token"]
        api.headers["authorization"] = f"Bearer {token}"
        opened = Registry(service, api)
        guest = {"username": "guest", "password": PASSWORD}
        opened.ask("POST", "/accounts", {"name": "partner", **guest})
        yield opened


@pytest.mark.parametrize("way", list(WALKS))
def test_a_new_user_finds_the_way(registry: Registry, chromium: Browser, tmp_path: Path, way: str) -> None:
    """C1 P1 P2 S1 G2 G4 Y1"""
    look, by = WALKS[way]
    window = Window.opened(chromium, registry.service.url, look)
    visitor = Visitor(window, "keyboard" if by == "keyboard" else "mouse", look.scripts)
    team = f"team-{way}"
    try:
        _sign_in(visitor)
        _make_namespaces(registry, visitor, team)
        _push_and_see_it_scanned(registry, visitor, tmp_path, team)
        _keep_few(registry, visitor, team)
        _delete_and_take_back(registry, visitor, team)
        _share(registry, visitor, team)
        _let_in(registry, visitor, 10 + list(WALKS).index(way))
        _bring_elsewhere(registry, visitor, team)
        assert window.troubles() == []
    finally:
        window.close()


def _sign_in(visitor: Visitor) -> None:
    visitor.window.go("/")
    visitor.write("username", "admin")
    visitor.write("password", PASSWORD)
    visitor.press("main form button.main")
    visitor.arrives(INSTANCE)


def _make_namespaces(registry: Registry, visitor: Visitor, team: str) -> None:
    for name in (team, f"{team}-2"):
        visitor.screen("namespaces")
        visitor.press('main a[href$="/namespaces/-/new"]')
        visitor.write("name", name)
        visitor.press("main form button.main")
        visitor.sees(".notice.good")
        assert registry.ask("GET", f"{INSTANCE}/namespaces/{name}")["scan_on_push"] is True


def _push_and_see_it_scanned(registry: Registry, visitor: Visitor, folder: Path, team: str) -> None:
    for tag in ("v1", "v2"):
        registry.push(folder / tag, f"{team}/app:{tag}")
    visitor.screen("repositories")
    visitor.write("search", team, "form.filters")
    visitor.press("form.filters button:not([type=button])")
    visitor.press(f'main a[href$="/namespaces/{team}/repositories/app"]')
    visitor.sees('main a[href$="/tags/v1"]')
    path = f"{INSTANCE}/namespaces/{team}/repositories/app/tags/v1"
    visitor.until(lambda: registry.ask("GET", path)["scan"]["state"] in ("succeeded", "partial", "done"), "v1 scanned")
    visitor.press('main a[href$="/tags/v1"]')
    visitor.press('main a[href*="/vulnerabilities"]')
    assert "openssl" in visitor.sees("main table")


def _keep_few(registry: Registry, visitor: Visitor, team: str) -> None:
    path = f"{INSTANCE}/namespaces/{team}/retention"
    visitor.screen("retention")
    visitor.press(f'main a[href$="/namespaces/{team}/retention"]')
    visitor.press('main a[href$="/retention/rules/new"]')
    visitor.write("repositories", "**")
    visitor.write("tags", "**")
    visitor.write("keep_last", "1")
    visitor.press('main form button.main[class="main"]')
    assert [rule["keep_last"] for rule in registry.ask("GET", f"{path}/rules")["items"]] == [1]
    if "/retention" in visitor.window.path and "/rules" in visitor.window.path:
        visitor.screen("retention")
        visitor.press(f'main a[href$="/namespaces/{team}/retention"]')
    visitor.press('main form[action$="/retention/dry-run"] button')
    visitor.until(
        lambda: "succeeded" in {run["state"] for run in registry.ask("GET", f"{path}/runs")["items"]}, "a run"
    )
    assert registry.tags(team) == {"v1", "v2"}
    visitor.sees("main table")


def _delete_and_take_back(registry: Registry, visitor: Visitor, team: str) -> None:
    _open_repository(visitor, team)
    visitor.press('main a[href$="/tags/v2/delete"]')
    visitor.sees("section.ask .lost")
    visitor.press("section.ask button.danger")
    visitor.sees(".notice.good")
    assert registry.tags(team) == {"v1"}
    visitor.press(".notice.good form button")
    visitor.sees(".notice.good")
    assert registry.tags(team) == {"v1", "v2"}


def _share(registry: Registry, visitor: Visitor, team: str) -> None:
    _open_repository(visitor, team)
    visitor.press('main nav.tabs a[href$="/shares"]')
    visitor.write("account", "partner")
    visitor.write("username", "guest")
    visitor.press("main form.row button.main")
    visitor.sees(".notice.good")
    shares = registry.ask("GET", f"{INSTANCE}/namespaces/{team}/repositories/app/shares")["items"]
    assert [(one["account"], one["username"]) for one in shares] == [("partner", "guest")]


def _let_in(registry: Registry, visitor: Visitor, number: int) -> None:
    network = f"203.0.{number}.0/24"
    visitor.screen("allowlist")
    visitor.write("cidr", network)
    visitor.write("remark", "the office")
    visitor.press("main form button.main")
    visitor.sees(".notice.good")
    assert network in {one["cidr"] for one in registry.ask("GET", f"{INSTANCE}/allowlist")["items"]}


def _bring_elsewhere(registry: Registry, visitor: Visitor, team: str) -> None:
    visitor.screen("sync")
    visitor.press('main a[href$="/sync/tasks"]')
    visitor.press('main a[href$="/sync/tasks/new"]')
    visitor.tick("image")
    visitor.write("source_namespace", team)
    visitor.write("target_namespace", f"{team}-2")
    visitor.press("main form button.main")
    visitor.until(lambda: registry.tags(f"{team}-2") == {"v1", "v2"}, "the second copy")
    visitor.sees("main h1")


def _open_repository(visitor: Visitor, team: str) -> None:
    visitor.screen("namespaces")
    visitor.press(f'main a[href$="/namespaces/{team}"]')
    visitor.press(f'main a[href$="/namespaces/{team}/repositories/app"]')
