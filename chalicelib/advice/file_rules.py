"""Advice that the files of an image give: what lies there for nothing, and what nobody needs. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Final

from . import places
from .image import Image
from .image_files import Loss
from .models import AdviceItem
from .places import Place

# Less than a block of a disk is not worth a word.
LEAST_BYTES: Final = 4096
_LEAST_CACHE_BYTES: Final = 1024
_LEAST_DOCUMENTATION_BYTES: Final = 2 * 1024 * 1024
_COPIES: Final = frozenset(("COPY", "ADD"))
_GIT: Final = re.compile(r"(?:^|.*?/)\.git/")
_NODE_MODULES: Final = re.compile(r"(.*?/|^)node_modules/")
# What lies at the top of a working copy, and in no folder that was built.
_TOP_OF_SOURCES: Final = (".git/HEAD", ".gitignore", "Dockerfile", ".dockerignore", "README.md")

Found = dict[tuple[str, int], Loss]


def package_caches(image: Image) -> Iterator[AdviceItem]:
    for place, layer, found in _gathered(image, places.CACHES):
        if found.bytes >= _LEAST_CACHE_BYTES:
            yield image.advice(
                "package_cache",
                f"{place.what[0].upper()}{place.what[1:]} left behind",
                layer,
                saves=found.bytes,
                detail=f"{found.files} files",
                instead=place.instead,
                paths=found.paths,
            )


def build_tools(image: Image) -> Iterator[AdviceItem]:
    for place, layer, found in _gathered(image, places.BUILD_TOOLS):
        if found.bytes >= LEAST_BYTES:
            yield image.advice(
                "build_tools",
                f"{place.what[0].upper()}{place.what[1:]} in the final image",
                layer,
                saves=found.bytes,
                detail="what builds a program is not needed to run it",
                instead=place.instead,
                paths=found.paths,
            )


def unneeded_packages(image: Image) -> Iterator[AdviceItem]:
    for place, layer, found in _gathered(image, places.UNNEEDED):
        if found.bytes >= LEAST_BYTES:
            yield image.advice(
                "unneeded_packages",
                f"{place.what[0].upper()}{place.what[1:]} in the image",
                layer,
                saves=found.bytes,
                detail="people who look into a container can bring tools along",
                instead="leave it out of the RUN that installs packages; to look inside: kubectl debug, docker debug",
                paths=found.paths,
            )


def documentation(image: Image) -> Iterator[AdviceItem]:
    found: Found = defaultdict(Loss)
    for path, seen in image.files.seen.items():
        if seen.size and places.DOCUMENTATION.match(path):
            found["", seen.layer].add(path, seen.size, same=False)
    for (_, layer), lost in found.items():
        if lost.bytes >= _LEAST_DOCUMENTATION_BYTES:
            yield image.advice(
                "documentation",
                "Manuals and documentation in the image",
                layer,
                saves=lost.bytes,
                detail=f"{lost.files} files under usr/share",
                instead="choose a slim base image, or before packages are installed: "
                "RUN echo 'path-exclude /usr/share/{doc,man,info}/*' > /etc/dpkg/dpkg.cfg.d/docs; "
                "dnf: --setopt=tsflags=nodocs",
                paths=lost.paths,
            )


def lost_files(image: Image) -> Iterator[AdviceItem]:
    """What a layer brings and a later one deletes, writes over, or only gives other rights."""
    for (layer, by, cause), loss in image.files.losses.items():
        digest, command = image.layers[by]
        later = f"{loss.files} files; in layer {by + 1} ({digest[:19]}…{': ' + command[:80] if command else ''})"
        kept_books = all(places.BOOKKEEPING.match(path) for path in loss.paths)
        if loss.bytes < LEAST_BYTES or layer == by:
            continue
        if cause == "deleted":
            yield image.advice(
                "deleted_later", "Files that a later layer deletes", layer,
                saves=loss.bytes, detail=later, instead=_not_brought(image, layer), paths=loss.paths,
            )  # fmt: skip
        elif loss.same_bytes * 10 >= loss.bytes * 9:
            yield image.advice(
                "permissions_changed_later", "Files copied to change their owner or rights", layer,
                saves=loss.bytes, detail=later, paths=loss.paths,
                instead="COPY --chown=user:group --chmod=755 … or chmod and chown in the RUN that makes the files",
            )  # fmt: skip
        elif not kept_books:
            yield image.advice(
                "overwritten_later", "Files that a later layer writes over", layer,
                saves=loss.bytes, detail=later, instead=_not_brought(image, layer), paths=loss.paths,
            )  # fmt: skip


def _not_brought(image: Image, layer: int) -> str:
    made = image.made(layer)
    if not made.own:
        return "choose a base image without them: what a layer below has is pulled all the same"
    if made.word in _COPIES:
        return (
            "name them in .dockerignore, or copy them in an earlier stage and take over the result: COPY --from=build …"
        )
    return "delete them in the RUN that brings them: RUN … && rm -rf …; or make them in a stage of their own"


def git_folders(image: Image) -> Iterator[AdviceItem]:
    found: Found = defaultdict(Loss)
    roots: set[str] = set()
    for path, seen in image.files.seen.items():
        if ".git/" in path and (folder := _GIT.match(path)):
            found[folder[0], seen.layer].add(path, seen.size, same=False)
            if path == folder[0] + "HEAD":
                roots.add(folder[0])
    for (root, layer), loss in found.items():
        if root in roots:
            copied = image.made(layer).word in _COPIES
            yield image.advice(
                "git_folder", "The history of the sources in the image", layer,
                saves=loss.bytes, detail=f"{loss.files} files in {root}", paths=loss.paths,
                instead="write `.git/` into .dockerignore" if copied else
                "RUN git clone --depth 1 … && rm -rf …/.git, or clone in a stage of its own",
            )  # fmt: skip


def node_modules(image: Image) -> Iterator[AdviceItem]:
    """Copied from the machine of whoever built it, and not from another stage, as far as that can be seen."""
    found: Found = defaultdict(Loss)
    for path, seen in image.files.seen.items():
        if "node_modules/" in path and (folder := _NODE_MODULES.match(path)):
            found[folder[1], seen.layer].add(path, seen.size, same=False)
    for (parent, layer), loss in found.items():
        if loss.bytes and _from_context(image, layer, parent):
            yield image.advice(
                "node_modules_copied", "node_modules copied into the image", layer,
                saves=loss.bytes, detail=f"{loss.files} files in {parent}node_modules", paths=loss.paths,
                instead="write `node_modules/` into .dockerignore; COPY package*.json ./ and RUN npm ci --omit=dev",
            )  # fmt: skip


def _from_context(image: Image, layer: int, folder: str) -> bool:
    """Builders do not note `--from`. Another stage's paths are absolute, the context's are not; where a hash stands for
    them, what lies beside tells a working copy from a built folder."""
    made = image.made(layer)
    if made.word not in _COPIES:
        return False
    sources = [word for word in made.text.split() if not word.startswith("--")][:-1]
    if any(word.startswith(("dir:", "file:", "multi:")) for word in sources):
        beside = (image.files.seen.get(folder + name) for name in _TOP_OF_SOURCES)
        return any(seen is not None and seen.layer == layer for seen in beside)
    return bool(sources) and not any(word.startswith("/") for word in sources)


def secret_files(image: Image) -> Iterator[AdviceItem]:
    for path, layers in image.files.noticed.items():
        hidden = path not in image.files.seen
        yield image.advice(
            "secret_file",
            "A file named like a secret",
            layers[-1],
            detail="a later layer deletes it, but whoever pulls the image has it"
            if hidden
            else "nobody looked into it",
            instead="RUN --mount=type=secret,id=… for what the build needs; hand it to the container when it starts; "
            "write it into .dockerignore",
            paths=(path,),
        )


def _gathered(image: Image, wanted: Sequence[Place]) -> list[tuple[Place, int, Loss]]:
    """Bytes that a container gets to see, by place and layer; places without their marker are left out."""
    found: Found = defaultdict(Loss)
    marked: set[str] = set()
    pattern, markers = _compiled(tuple(wanted))
    for path, seen in image.files.seen.items():
        if seen.size and (match := pattern.match(path)) and match.lastgroup:
            found[match.lastgroup, seen.layer].add(path, seen.size, same=False)
            if match.lastgroup not in marked and markers[match.lastgroup].match(path):
                marked.add(match.lastgroup)
    by_key = {place.key: place for place in wanted}
    return [(by_key[key], layer, loss) for (key, layer), loss in found.items() if key in marked]


@cache
def _compiled(wanted: tuple[Place, ...]) -> tuple[re.Pattern[str], dict[str, re.Pattern[str]]]:
    return _alternatives(wanted), {place.key: re.compile(place.marker) for place in wanted}


def _alternatives(wanted: Iterable[Place]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?P<{place.key}>{place.paths})" for place in wanted))
