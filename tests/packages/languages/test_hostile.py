"""Files that want to do harm: whatever is in them, a reader comes back soon, with what it found or with a problem."""

from __future__ import annotations

import json
import tracemalloc
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.layers.entries import MIB
from chalicelib.packages.languages.readers import LANGUAGE_READERS
from chalicelib.packages.reading import Reader, Unreadable

from .made import MadeEntry, archive, elf, go_data, properties, rust_section

_METADATA = b"Name: a\nVersion: 1\nLicense: MIT\n"
_CYCLONEDX = json.dumps({"bomFormat": "CycloneDX", "components": [{"type": "library", "purl": "pkg:pypi/a@1"}]})
_GO = go_data("go1.20", "mod\tx\tv1.0.0\t\ndep\ty\tv1.0.0\th1:\n", pointer_bytes=8)
# One good file for each reader.
GOOD: dict[str, tuple[str, bytes]] = {
    "python": ("a.egg-info", _METADATA),
    "python-egg": ("a.egg", archive({"EGG-INFO/PKG-INFO": _METADATA})),
    "conda": ("c/envs/e/conda-meta/a-1-0.json", b'{"name": "a", "version": "1"}'),
    "node": ("package.json", b'{"name": "a", "version": "1"}'),
    "java": ("a.jar", archive({**properties("g", "a", "1"), "b.jar": archive(properties("g", "b", "1"))})),
    "ruby": (
        "r/specifications/a.gemspec",
        b"Gem::Specification.new do |s|\ns.name = 'a'\ns.version = '1'\n",
    ),
    "composer": ("installed.json", b'{"packages": [{"name": "a/b", "version": "1"}]}'),
    "dotnet": ("a.deps.json", b'{"libraries": {"A/1": {"type": "package"}}}'),
    "nuget": ("packages.config", b'<packages><package id="A" version="1"/></packages>'),
    "packages-props": (
        "Packages.props",
        b'<Project><ItemGroup><PackageVersion Include="A" Version="1"/></ItemGroup></Project>',
    ),
    "cargo": ("Cargo.lock", b'[[package]]\nname = "a"\nversion = "1"\n'),
    "materials": ("bom.cdx.json", _CYCLONEDX.replace('"purl"', '"name": "a", "purl"').encode()),
    "binary": ("app", elf(rust_section('{"packages": [{"name": "a", "version": "1"}]}'), _GO, own_section=True)),
}
READERS = {reader.name: reader for reader in LANGUAGE_READERS}
_BY_NAME = pytest.mark.parametrize("reader", LANGUAGE_READERS, ids=lambda reader: reader.name)


def _read(reader: Reader, path: str, data: bytes) -> int:
    """How many packages; -1 for a problem."""
    entry = MadeEntry(path, data, 0o755)
    if not reader.wants(entry):
        return 0
    try:
        return len(reader.read(path, entry.content(), entry).packages)
    except Unreadable:
        return -1


@_BY_NAME
def test_the_good_file_is_read(reader: Reader) -> None:
    """What the tests below damage is whole at first."""
    path, data = GOOD[reader.name]
    assert _read(reader, path, data) > 0


@_BY_NAME
@given(data=st.data())
@settings(max_examples=25)
def test_damaged_files_are_read_or_refused(reader: Reader, data: st.DataObject) -> None:
    """S2: nothing else is ever raised."""
    path, good = GOOD[reader.name]
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = data.draw(st.sampled_from([0, 1, 0x22, 0x5B, 0x7F, 0x80, 0xFF]))
    _read(
        reader, path, bytes(damaged[: data.draw(st.integers(0, len(damaged)))] if data.draw(st.booleans()) else damaged)
    )


@_BY_NAME
@given(data=st.binary(max_size=300))
@settings(max_examples=15)
def test_noise_is_read_or_refused(reader: Reader, data: bytes) -> None:
    path, good = GOOD[reader.name]
    _read(reader, path, data)
    _read(reader, path, good[:20] + data)


@pytest.mark.parametrize("name", sorted(READERS.keys() - {"binary", "java", "python-egg"}))
def test_files_without_an_end_are_refused(name: str) -> None:
    """S2: no reader takes a text of any length into memory. Archives and programs are read where it is needed."""
    path, good = GOOD[name]
    assert _read(READERS[name], path, b" " * 33 * MIB + good) == -1


def test_lists_of_crates_that_unpack_to_gigabytes_are_refused_in_little_memory() -> None:
    packed = zlib.compressobj(9)
    bomb = b"".join(packed.compress(b"\0" * MIB) for _ in range(96)) + packed.flush()
    program = elf({".dep-v0": bomb})
    tracemalloc.start()
    assert _read(READERS["binary"], "app", program) == 0
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * MIB


def test_programs_with_tables_beyond_their_end_are_refused() -> None:
    program = bytearray(elf({}, b"x" * 100))
    program[60:62] = b"\xfe\xff"
    assert _read(READERS["binary"], "app", bytes(program)) == -1


def test_documents_of_more_values_than_fit_in_memory_are_refused() -> None:
    """S2: an empty object takes 30 times its text."""
    tracemalloc.start()
    assert _read(READERS["node"], "package.json", b'{"a": [' + b"{}," * 4 * MIB + b"{}]}") == -1
    assert _read(READERS["composer"], "installed.json", b'{"a": [' + b"1," * 4 * MIB + b"1]}") == -1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50 * MIB


def test_jars_full_of_text_are_refused_and_long_manifests_are_cut() -> None:
    """S2: a signed jar's manifest names every class; only its beginning is about the jar."""
    manifest = (
        "Implementation-Vendor-Id: g\nImplementation-Title: a\nImplementation-Version: 1\n\n" + "Name: x\n\n" * MIB
    )
    assert _read(READERS["java"], "a.jar", archive({"META-INF/MANIFEST.MF": manifest})) == 1
    text = "#" + " " * (MIB - 2) + "\n"
    files = {f"META-INF/maven/{number}/pom.properties": text for number in range(70)}
    assert _read(READERS["java"], "a.jar", archive(files, zipfile.ZIP_STORED)) == -1
