"""Where a program's libraries lie, as the loaders of glibc and musl look for them.

Their caches are not read: what distributions add to them is among the folders looked through.
Source: ld.so(8); Debian's and Fedora's /etc/ld.so.conf.d; musl, ldso/dynlink.c.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from .elf import Elf

# Debian's names of processors, by ELF's numbers.
_TRIPLETS: Final[dict[int, tuple[str, ...]]] = {
    3: ("i386-linux-gnu",),
    8: ("mips64el-linux-gnuabi64", "mipsel-linux-gnu"),
    20: ("powerpc-linux-gnu",),
    21: ("powerpc64le-linux-gnu",),
    22: ("s390x-linux-gnu",),
    40: ("arm-linux-gnueabihf", "arm-linux-gnueabi"),
    62: ("x86_64-linux-gnu",),
    183: ("aarch64-linux-gnu",),
    243: ("riscv64-linux-gnu",),
    258: ("loongarch64-linux-gnu",),
}
_USUAL: Final = ("/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib64")
# What loaders read besides: glibc's cache, musl's list of folders.
CACHE: Final = "/etc/ld.so.cache"
_MUSL: Final = "ld-musl-"
_ORIGIN: Final = "$ORIGIN"
# Linux's PATH_MAX: no library lies in a folder with a longer name.
_LONGEST_PATH: Final = 4096


def usual_folders(elf: Elf) -> Iterator[str]:
    yield "/usr/local/lib"
    for triplet in _TRIPLETS.get(elf.machine, ()):
        yield from (f"/usr/local/lib/{triplet}", f"/lib/{triplet}", f"/usr/lib/{triplet}")
    yield from _USUAL


def own_folders(elf: Elf, origins: Sequence[str]) -> tuple[str, ...]:
    """Those that a file names itself, `$ORIGIN` filled in by each of the folders it lies in."""
    folders: list[str] = []
    for folder in elf.folders:
        plain = folder.replace("${ORIGIN}", _ORIGIN).replace("${LIB}", "$LIB")
        for origin in origins if _ORIGIN in plain else ("",):
            if len(plain) + plain.count(_ORIGIN) * (len(origin) - len(_ORIGIN)) > _LONGEST_PATH:
                continue
            libs = ("lib64", "lib") if "$LIB" in plain else ("",)
            folders += [plain.replace(_ORIGIN, origin).replace("$LIB", lib) for lib in libs]
    return tuple(dict.fromkeys(each for each in folders if each.startswith("/")))


def list_of_loader(interpreter: str) -> str:
    """The file in which a loader looks up where libraries lie."""
    name = interpreter.rpartition("/")[2]
    if name.startswith(_MUSL):
        return "/etc/" + name.partition(".so")[0] + ".path"
    return CACHE
