"""C1, R1: which address pages tell, so that docker and skopeo come to the instance with what was copied."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chalicelib.credentials.service import Credentials
from chalicelib.instances.service import Instances
from chalicelib.ports.stack import Stack
from tests.console.browsing import Browser
from tests.registry.library import Library
from tests.stacks import embedded_stack, make_instance, make_namespace

BY_NUMBER = "127.0.0.1:5000"
OTHER = "/instances/other"


@pytest.fixture
def home(stack: Stack) -> Library:
    """The instance that a first start makes; another one is there, too."""
    first = make_instance(stack, "default")
    make_namespace(stack, first)
    for one in (first, make_instance(stack, "other")):
        Credentials(stack).create(one, "admin", "secret")
    return Library(stack, first)


def told(browser: Browser, path: str, host: str = BY_NUMBER) -> set[str]:
    """Where the commands of a page log in, push to and pull from."""
    html = browser.get(path, {"host": host}).html
    logins = re.findall(r"docker login ([a-z0-9.:-]+)", html)
    images = re.findall(r"docker (?:push|pull) ([a-z0-9.:-]+)/library", html)
    assert logins or images
    return {*logins, *images} - {"docker.io"}


@pytest.mark.parametrize(
    ("came", "expected"),
    [
        (BY_NUMBER, BY_NUMBER),
        ("localhost:5000", "localhost:5000"),
        ("HOME", BY_NUMBER),
        ("registry.lan:5000", "registry.lan:5000"),
    ],
)
def test_every_page_tells_the_address_that_leads_to_the_instance_without_any_setting(
    home: Library, came: str, expected: str
) -> None:
    """The overview, the first push, credentials and versions tell one and the same."""
    home.push("v1")
    browser, instances = Browser.signed_in(home.stack), Instances(home.stack)
    came = came.replace("HOME", instances.public_address(home.instance))
    repository = "/instances/default/namespaces/library/repositories/app"
    for path in ("", "/start", "/credentials"):
        assert told(browser, f"/instances/default{path}", came) == {expected}
    for path in (repository, f"{repository}/tags/v1"):
        assert told(browser, path, came) == {expected}
    assert instances.find(expected, 5000).name == "default"


def test_another_instance_is_told_by_its_name_and_with_what_makes_the_name_known(home: Library) -> None:
    stack, browser = home.stack, Browser.signed_in(home.stack)
    (address,) = told(browser, OTHER)
    assert Instances(stack).find(address, 5000).name == "other"
    for path in ("", "/credentials"):
        assert f"127.0.0.1 {address.partition(':')[0]}" in browser.get(OTHER + path).words
    assert "hosts file" not in browser.get("/instances/default").words
    # From another machine the name means that machine, not ours.
    assert f"192.0.2.7 {address.partition(':')[0]}" in browser.get(OTHER, {"host": "192.0.2.7:5000"}).words


def test_an_instance_with_a_port_of_its_own_is_reached_by_number(tmp_path: Path) -> None:
    with embedded_stack(tmp_path) as stack:
        own = make_instance(stack, "other")
    with embedded_stack(tmp_path, instance_ports=f"{own.id}=5001") as stack:
        assert told(Browser.signed_in(stack), OTHER) == {"127.0.0.1:5001"}


def test_where_names_are_known_everywhere_they_are_told(tmp_path: Path) -> None:
    with embedded_stack(tmp_path, domain="registry.example") as stack:
        address = Instances(stack).public_address(make_instance(stack, "default"))
        assert told(Browser.signed_in(stack), "/instances/default") == {address}
        assert "hosts file" not in Browser.signed_in(stack).get("/instances/default").words
