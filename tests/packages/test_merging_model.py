"""S3: any layers over each other give what a file system would hold after unpacking them one by one."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.packages.layers import image_of

FOLDERS = ("", "a", "a/b", "ab", "a/b/a")
FILES = tuple(posixpath.join(folder, "x.dist-info", "METADATA") for folder in FOLDERS)
Layer: TypeAlias = dict[str, str | bytes]

writes = st.dictionaries(st.sampled_from(FILES), st.sampled_from("123"), max_size=3)
deletions = st.sets(st.sampled_from([*FILES, "a", "a/b", "ab", "x.dist-info", "a/x.dist-info"]), max_size=2)
emptied = st.sets(st.sampled_from(["", "a", "a/b", "a/b/x.dist-info"]), max_size=1)


def layer_of(written: Mapping[str, str], deleted: set[str], opaque: set[str]) -> Layer:
    """The order in an archive means nothing: whiteouts lie behind what they must not touch."""
    files: Layer = {path: f"Name: x\nVersion: {version}\n" for path, version in written.items()}
    files.update({posixpath.join(posixpath.dirname(path), f".wh.{posixpath.basename(path)}"): "" for path in deleted})
    files.update({posixpath.join(folder, ".wh..wh..opq"): "" for folder in opaque})
    return files


def unpacked(tree: dict[str, str], written: Mapping[str, str], deleted: set[str], opaque: set[str]) -> dict[str, str]:
    def gone(path: str) -> bool:
        inside = any(not folder or path.startswith(f"{folder}/") for folder in opaque)
        return inside or any(path == each or path.startswith(f"{each}/") for each in deleted)

    return {**{path: version for path, version in tree.items() if not gone(path)}, **written}


@settings(max_examples=60)
@given(st.lists(st.tuples(writes, deletions, emptied), min_size=1, max_size=4))
def test_an_image_has_what_its_unpacked_layers_would_have(
    layers: list[tuple[dict[str, str], set[str], set[str]]],
) -> None:
    """S1, S3: and each package since the lowest layer that brought this version to this place."""
    tree: dict[str, str] = {}
    for layer in layers:
        tree = unpacked(tree, *layer)
    image = image_of(*(layer_of(*layer) for layer in layers))
    found = {each.package.path: (each.package.version, int(each.layer.digest[-1])) for each in image.packages}
    first = {
        path: next(at for at, (written, _, _) in enumerate(layers) if written.get(path) == version)
        for path, version in tree.items()
    }
    assert found == {path: (version, first[path]) for path, version in tree.items()}
