"""H1: archives and Chart.yaml that somebody made to do harm. What can be told of them is told, in bounded time."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import time
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.charts import archive as reading
from chalicelib.charts.archive import README_BYTES, VALUES_BYTES, Contents, read_archive
from chalicelib.layers.entries import MIB, Limits
from chalicelib.ports.stack import Stack
from chalicelib.registry.chart_facts import ROW_BYTES, chart_facts
from tests.registry.library import Library

from .making import FILES, Chart, archive, put_chart


def packed(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        for entry, data in entries:
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return gzip.compress(held.getvalue())


def read(data: bytes, **limits: Any) -> Contents:
    return read_archive([data[at : at + 65536] for at in range(0, len(data), 65536)], **limits)


@pytest.mark.parametrize(
    ("spoil", "state"),
    [
        (lambda data: b"", "shown"),
        (lambda data: b"not an archive at all " * 100, "malformed"),
        (lambda data: data[: len(data) // 2], "malformed"),
        (lambda data: data[:-8] + b"\0" * 8, "malformed"),
        (lambda data: b"BZh91AY&SY" + data, "malformed"),
        (lambda data: gzip.compress(b"junk" * 1000), "malformed"),
    ],
    ids=["empty", "text", "cut", "wrong checksum", "bzip2", "no tar"],
)
def test_what_is_no_archive_is_said_to_be_none(spoil: Callable[[bytes], bytes], state: str) -> None:
    assert read(spoil(archive(FILES))).state == state


def test_a_bomb_is_given_up_before_it_is_through() -> None:
    """A gigabyte in one megabyte, in a file that nobody asked for, and in values.yaml itself."""
    for name in ("bomb", "values.yaml"):
        entry = tarfile.TarInfo(f"nginx/{name}")
        entry.size = 1024 * MIB
        head = entry.tobuf()
        packing = io.BytesIO()
        with gzip.GzipFile(fileobj=packing, mode="wb", compresslevel=1) as out:
            out.write(head)
            for _ in range(128):
                out.write(bytes(MIB))
        began = time.monotonic()
        found = read(packing.getvalue())
        assert (found.state, found.values) == ("too_large", "")
        assert time.monotonic() - began < 5


def test_more_entries_than_a_chart_has_are_not_looked_at() -> None:
    entries = [(tarfile.TarInfo(f"nginx/templates/{number}"), b"") for number in range(600)]
    found = read(packed(*entries))
    assert (len(found.templates), found.more_templates, found.state) == (500, True, "shown")
    few = Limits(bytes_most=100 * MIB, entries=100, file_bytes=MIB, memory_bytes=MIB, seconds=10)
    assert read(packed(*entries), limits=few).state == "too_large"


def test_long_texts_are_cut_and_larger_ones_left_out() -> None:
    files = {"README.md": b"r" * (README_BYTES + 1), "values.yaml": b"v" * (VALUES_BYTES + 1)}
    found = read(archive(files))
    assert (len(found.readme), len(found.values), found.cut) == (README_BYTES, VALUES_BYTES, ["readme", "values"])
    found = read(archive({"values.yaml": b"v" * (reading.LIMITS.file_bytes + 1), "README.md": b"here"}))
    assert (found.values, found.cut, found.readme) == ("", ["values"], "here")


def test_names_lead_nowhere_and_links_are_not_followed() -> None:
    """Absolute names, `..`, links to files of the machine, devices; a folder that is called like a file."""
    link = tarfile.TarInfo("nginx/README.md")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    hard = tarfile.TarInfo("nginx/values.yaml")
    hard.type, hard.linkname = tarfile.LNKTYPE, "/etc/passwd"
    device = tarfile.TarInfo("nginx/templates/null")
    device.type = tarfile.CHRTYPE
    folder = tarfile.TarInfo("nginx/values.schema.json")
    folder.type = tarfile.DIRTYPE
    above = [(tarfile.TarInfo(name), b"text") for name in ("../../etc/cron.d/x", "nginx/../../README.md", "README.md")]
    named = [
        (tarfile.TarInfo("nginx/templates/a\x1b[31m\u202e.yaml"), b""),
        (tarfile.TarInfo("/nginx/templates/b"), b""),
    ]
    found = read(packed((link, b""), (hard, b""), (device, b""), (folder, b""), *above, *named))
    assert (found.readme, found.values, found.values_schema) == ("", "", False)
    assert found.templates == ["templates/a[31m\u202e.yaml", "templates/b"]


def test_text_that_is_none_is_shown_without_its_controls() -> None:
    found = read(archive({"README.md": b"a\xff\x00\x1b[2Jb\r\n\tc", "values.yaml": "größe: \u2028".encode()}))
    assert found.readme == "a\ufffd[2Jb\n\tc"
    assert found.values == "größe: "


def test_an_archive_larger_than_charts_are_is_not_read(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.charts.service.MOST_ARCHIVE_BYTES", 100)
    library = Library.opened(stack)
    put_chart(library, Chart())
    shown = library.api().get("/instances/ci/charts/library/nginx").json()
    assert (shown["archive_state"], shown["readme"], shown["version"]) == ("too_large", "", "1.0.0")


WRONG: list[Any] = [
    [], "text", 7, None, {}, {"name": "x"}, {"version": "1"}, {"name": ["x"], "version": "1"},
    {"name": "x", "version": {"major": 1}}, {"name": "", "version": "1"}, {"name": "n" * 5000, "version": "1"},
]  # fmt: skip


@pytest.mark.parametrize("config", WRONG, ids=range(len(WRONG)))
def test_what_names_no_chart_is_none(config: Any) -> None:
    assert chart_facts(json.dumps(config).encode()) == ""


def test_broken_json_is_no_chart() -> None:
    for config in (b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"name": NaN}', b'{"name":"a","name":"b","version":"1"}'):
        assert chart_facts(config) == ""


def test_fields_of_the_wrong_kind_are_left_out() -> None:
    wrong: dict[str, Any] = {
        "name": "x", "version": "1.0.0", "appVersion": 1.5, "description": ["a"], "deprecated": "true",
        "keywords": "web", "sources": [1, "https://x", None], "dependencies": {"a": 1},
        "maintainers": [{"name": 1}, "Ada", {"email": "a@b"}],
        "annotations": {"a": 1, "b": "c"}, "icon": {"url": "x"}, "unknown": "kept by nobody",
    }  # fmt: skip
    assert json.loads(chart_facts(json.dumps(wrong).encode())) == {
        "name": "x", "version": "1.0.0", "sources": ["https://x"], "maintainers": [{"email": "a@b"}],
        "annotations": {"b": "c"},
    }  # fmt: skip


def test_what_is_too_much_for_a_row_loses_what_lists_need_least() -> None:
    """Name, version and what `helm dependency` asks for outlast everything else."""
    dependencies = [{"name": "common", "version": "1.x", "repository": "https://x"}]
    large = {
        "name": "x", "version": "1.0.0", "appVersion": "7", "dependencies": dependencies, "description": "d" * 9000,
        "annotations": {f"a{number}": "v" * 1000 for number in range(200)}, "keywords": ["k" * 2000] * 90,
    }  # fmt: skip
    text = chart_facts(json.dumps(large).encode())
    facts = json.loads(text)
    assert len(text.encode()) <= ROW_BYTES
    assert (facts["appVersion"], facts["dependencies"], facts["description"]) == ("7", dependencies, "d" * 1000)
    assert "annotations" not in facts
    huge = {**large, "kubeVersion": "😀" * 500, "type": "😀" * 1000, "condition": "😀" * 900}
    assert len(chart_facts(json.dumps(huge).encode()).encode()) <= ROW_BYTES


def test_hostile_charts_do_not_keep_others_from_being_listed(stack: Stack) -> None:
    """One after another through every endpoint."""
    library = Library.opened(stack)
    put_chart(library, Chart(name="bad-config", written=b"[" * 5000))
    put_chart(library, Chart(name="bad-archive", packed=b"\x1f\x8b" + b"\0" * 50))
    put_chart(library, Chart(name="good"))
    api = library.api()
    listed = api.get("/instances/ci/charts").json()["items"]
    assert [(one["name"], one["version"]) for one in listed] == [
        ("bad-archive", "1.0.0"), ("bad-config", ""), ("good", "1.0.0"),
    ]  # fmt: skip
    assert api.get("/instances/ci/charts/library/bad-config").status == 404
    assert api.get("/instances/ci/charts/library/bad-archive").json()["archive_state"] == "malformed"
    shown = api.get(
        library.path(f"/manifests/{Chart(name='bad-config', written=b'[' * 5000).digest}/chart").replace(
            "/app/", "/bad-config/"
        )
    )
    assert (shown.status, shown.json()["name"], shown.json()["readme"]) == (
        200,
        "",
        "# nginx\n\nServes pages. Größe.\n",
    )
