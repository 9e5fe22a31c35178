"""Layers of which no table of contents can say what unpacking them comes to are refused, with a word for it."""

from __future__ import annotations

import tarfile
from itertools import count

import pytest

from chalicelib.estargz import models
from chalicelib.estargz.conversion import convert
from chalicelib.estargz.models import ConversionRefused, Recipe
from chalicelib.layers.entries import LayerRefused, Limits
from tests.estargz.layers import converted, file, folder, link, tar
from tests.layers import archives


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (tar(file("caf\udce9")), "unsupported_name"),
        (tar(file("caf\udce9"), form=tarfile.GNU_FORMAT), "unsupported_name"),
        (tar(link("a", "caf\udce9", tarfile.SYMTYPE), form=tarfile.GNU_FORMAT), "unsupported_name"),
        (tar(file("../a")), "unsupported_name"),
        (tar(file("a/../../b")), "unsupported_name"),
        # Of another layer, or of none, or after the link, or itself.
        (tar(link("a", "b")), "unsupported_entry"),
        (tar(link("a", "b"), file("b")), "unsupported_entry"),
        (tar(link("a", "a")), "unsupported_entry"),
        (tar(folder("b"), link("a", "b")), "unsupported_entry"),
        # Where it leads is no folder of the layer, or another one.
        (tar(link("a", "b", tarfile.SYMTYPE), file("a/x")), "unsupported_entry"),
        (tar(file("a/x"), link("a", "b", tarfile.SYMTYPE)), "unsupported_entry"),
        (tar(folder("a"), file("a")), "unsupported_entry"),
        # What the link leads to is not what the name stands for in the end.
        (tar(file("a", b"1"), link("b", "a"), file("a", b"2")), "unsupported_entry"),
        (tar(file("./")), "unsupported_entry"),
    ],
)
def test_what_cannot_be_told_is_refused(source: bytes, reason: str) -> None:
    """A2: in both kinds of passes."""
    for files in ((), ("x",)):
        with pytest.raises(ConversionRefused) as refused:
            converted(source, *files)
        assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("source", "limits", "reason"),
    [
        (b"no archive" * 100, Limits(), "corrupt"),
        (tar(file("a", b"a" * 5000))[:2000], Limits(), "truncated"),
        (archives.PACKINGS["gzip"](tar(file("a", b"a" * 5000)))[:-20], Limits(), "truncated"),
        (tar(file("a", b"a" * 5000)), Limits(bytes_most=3000), "too_large"),
        (archives.pax([(b"path", b"a" * 5000)]) + archives.entry(b"a") + archives.END, Limits(), "corrupt"),
        (archives.pax([(b"path", b"a")]) + archives.END, Limits(), "truncated"),
        (archives.entry(b"a") + bytes(512) + archives.entry(b"a"), Limits(), "corrupt"),
        (archives.header(b"x", 2**21, b"x") + bytes(2**21), Limits(), "too_large"),
        (archives.pax([(b"comment", b"a" * 900_000)]) * 5 + archives.entry(b"a"), Limits(), "too_large"),
    ],
)
def test_damaged_and_oversized_layers_are_refused_as_they_are_elsewhere(
    source: bytes, limits: Limits, reason: str
) -> None:
    """A2: by the words that reading layers has for it."""
    for files in ((), ("a",)):
        with pytest.raises(LayerRefused) as refused:
            converted(source, *files, limits=limits)
        assert refused.value.reason == reason


def test_more_entries_than_memory_was_reckoned_for_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A2: by their number, and by what their table takes."""
    source = tar(*(file(f"{number}") for number in range(30)))
    with pytest.raises(ConversionRefused) as refused:
        converted(source, limits=Limits(entries=29))
    assert refused.value.reason == "too_many_entries"
    monkeypatch.setattr("chalicelib.estargz.table.TOC_BYTES_MOST", 1000)
    with pytest.raises(ConversionRefused) as refused:
        converted(source)
    assert refused.value.reason == "too_many_entries"


def test_folders_that_a_layer_does_not_list_count_as_names_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A2: a few long paths are as many folders as a million files have."""
    source = tar(*(file(f"{number}/" + "a/" * 40 + "f") for number in range(30)))
    monkeypatch.setattr("chalicelib.estargz.tree.ENTRIES_MOST", 30 * 42)
    assert converted(source).converted.entries == 31
    monkeypatch.setattr("chalicelib.estargz.tree.ENTRIES_MOST", 30 * 42 - 1)
    with pytest.raises(ConversionRefused) as refused:
        converted(source)
    assert refused.value.reason == "too_many_entries"


def test_both_passes_have_one_time_together() -> None:
    """A2: a function that ends in the middle of the second tells nobody why."""
    source = tar(*(file(f"{number}", bytes(20_000)) for number in range(30)))

    def seconds(most: float) -> int:
        moments = count()
        clock = lambda: float(next(moments))  # noqa: E731
        chunks = archives.chunked(source, 10_000)
        convert(chunks, Recipe(("7",)), lambda part: None, limits=Limits(seconds=most), clock=clock)
        return next(moments)

    taken = seconds(1e9)
    assert seconds(taken) == taken
    with pytest.raises(LayerRefused) as refused:
        seconds(taken - 3)
    assert refused.value.reason == "too_long"


def test_holes_count_as_the_bytes_they_become() -> None:
    """A2: a file of holes costs an archive nothing, and who loads it all the more."""
    holes = archives.pax([(b"GNU.sparse.size", b"900000"), (b"GNU.sparse.map", b"0,3")]) + archives.entry(b"a", b"abc")
    assert len(converted(holes + archives.END, limits=Limits(bytes_most=1_000_000)).tar) > 900_000
    with pytest.raises(LayerRefused) as refused:
        converted(holes * 2 + archives.END, limits=Limits(bytes_most=1_000_000))
    assert refused.value.reason == "too_large"


def test_recipes_are_known_by_all_that_makes_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """A3: the same layer by another recipe is another conversion."""
    ids = {Recipe(files).id for files in ((), ("a",), ("a", "b"), ("b", "a"), ("caf\udce9",))}
    monkeypatch.setattr(models, "CONVERTER", "another")
    ids.add(Recipe().id)
    assert len(ids) == 6
    assert all(len(name) == 32 for name in ids)
