"""G1: the audit record in the console, and the files that are made of it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

import pytest

from chalicelib.console.pages import audit
from chalicelib.kernel.roles import Role
from chalicelib.ports.stack import Stack
from tests.console.browsing import Browser
from tests.management import Api
from tests.registry.library import Library
from tests.stacks import embedded_stack

PATH = "/instances/ci/audit"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with embedded_stack(tmp_path_factory.mktemp("audit")) as opened:
        Library.opened(opened)
        api = Api.signed_in(opened)
        for name in ("one", "two"):
            assert api.post("/instances/ci/namespaces", {"name": name}).status == 201
        api.post("/instances/ci/allowlist", {"cidr": "127.0.0.0/8", "remark": "<script>alert(1)</script>"})
        Api.signed_in(opened, Role.READER).post("/instances/ci/namespaces", {"name": "three"})
        yield opened


def test_the_record_says_who_did_what_in_words_of_the_readers_language(stack: Stack) -> None:
    """G1, C1"""
    english = Browser.signed_in(stack).get(PATH).words
    assert "owner create Namespace two succeeded 127.0.0.1" in english.replace("two two", "two")
    refused = Browser.signed_in(stack).get("/account-audit").words
    assert "reader create Namespace not allowed" in refused
    assert "创建 命名空间" in Browser.signed_in(stack, language="zh-CN").get(PATH).words


def test_the_record_is_narrowed_by_object_time_and_word(stack: Stack) -> None:
    """G1"""
    browser = Browser.signed_in(stack)
    only = browser.part(f"{PATH}?object_type=allowlist", "list").words
    assert ("127.0.0.0/8" in only, "two" in only) == (True, False)
    assert "two" not in browser.part(f"{PATH}?keyword=one", "list").words
    assert "No entry matches" in browser.part(f"{PATH}?to=2020-01-01T00:00", "list").words
    assert "two" in browser.part(f"{PATH}?from=2999-01-01T00:00&to=2020-01-01T00:00", "list").words
    assert "two" in browser.part(f"{PATH}?last=day", "list").words


@pytest.mark.parametrize("format_", ["csv", "jsonl"])
def test_a_file_has_all_that_the_filter_lets_through_piece_by_piece(
    stack: Stack, format_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G1"""
    monkeypatch.setattr("chalicelib.audit.api._EXPORT_LIMIT_BYTES", 1)
    seen = Browser.signed_in(stack).get(f"{PATH}/export?object_type=namespace&format={format_}")
    assert "attachment" in seen.headers["content-disposition"]
    rows = (
        list(csv.DictReader(io.StringIO(seen.html)))
        if format_ == "csv"
        else [json.loads(line) for line in seen.html.splitlines()]
    )
    assert sorted(row["namespace"] for row in rows) == ["one", "two"]


def test_the_accounts_record_has_what_belongs_to_no_instance(stack: Stack) -> None:
    """G1"""
    api = Api.signed_in(stack)
    api.post("/users", {"username": "ada", "password": "correct-horse-battery-42", "role": "reader"})
    browser = Browser.signed_in(stack)
    assert "create User" in browser.get("/account-audit").words
    assert '"ada"' in browser.get("/account-audit/export").html


def test_readers_see_no_record(stack: Stack) -> None:
    """G1, G5"""
    reader = Browser.signed_in(stack, Role.READER)
    assert [reader.get(path).status for path in (PATH, f"{PATH}/export", "/account-audit")] == [403, 403, 403]


def test_every_page_of_the_record_only_shows(stack: Stack) -> None:
    """G1: nobody can edit or delete entries."""
    assert {page.method for page in audit.pages.all} == {"GET"}
