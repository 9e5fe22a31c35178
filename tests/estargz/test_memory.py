"""What a layer is made of makes no difference to how much memory its conversion takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

MOST_MIB = 300
ROOT = Path(__file__).parents[2]
# In a process of its own, which tells the most it ever held; what getrusage tells is at least what its parent held.
# Nothing of the layer exists but what is just being read.
CODE = r"""
import random, sys
from chalicelib.estargz.conversion import convert
from chalicelib.estargz.models import ConversionRefused, Recipe
from chalicelib.layers.entries import Limits
from tests.layers.archives import header, padded

def files(count):
    for number in range(count):
        name = b"srv/app/node_modules/package-%05d/lib/module-%07d.js" % (number // 40, number)
        yield header(name, 300) + padded(b"x" * 300)

def links(count):
    yield header(b"target", 1) + padded(b"x")
    for number in range(count):
        yield header(b"usr/share/zoneinfo/link-%07d" % number, 0, b"1", target=b"target")

def symlinks(count):
    for number in range(count):
        yield header(b"usr/share/some/where/link-%07d" % number, 0, b"2", target=b"../target-%07d" % number)

def escaped(count):
    for number in range(count):
        yield header(b"%07d" % number + b"\1" * 93, 0, b"2", target=b"\1" * 100, prefix=b"\1" * 155)

def large(mib):
    yield header(b"large", mib << 20)
    block = random.Random(1).randbytes(1 << 14) * 64
    for _ in range(mib):
        yield block

kinds = {"files": files, "links": links, "symlinks": symlinks, "escaped": escaped, "large": large}
made = kinds[sys.argv[1]](int(sys.argv[2]))
try:
    convert(made, Recipe(tuple(sys.argv[4:])), lambda part: None, workers=int(sys.argv[3]), limits=Limits(seconds=3600))
except ConversionRefused as refused:
    print(refused.reason, end=" ")
held = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(held.split()[1]) // 1024)
"""
FIRST = "usr/share/zoneinfo/link-0000007"


def most_mib(kind: str, amount: int, workers: int, *files: str) -> list[str]:
    run = [sys.executable, "-c", CODE, kind, str(amount), str(workers), *files]
    return subprocess.run(run, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()


@pytest.mark.parametrize(("kind", "amount"), [("files", 3000), ("large", 48), ("links", 3000)])
def test_an_ordinary_layer_takes_little_memory(kind: str, amount: int) -> None:
    """A2: less than half of what any layer may take, whatever is in it."""
    (mib,) = most_mib(kind, amount, 2)
    assert int(mib) < MOST_MIB / 2


@pytest.mark.parametrize(
    "whole", [pytest.param(False, marks=pytest.mark.campaign), pytest.param(True, marks=pytest.mark.exhaustive)]
)
@pytest.mark.parametrize(
    ("kind", "amount", "workers", "files", "quarter_mib"),
    [
        ("files", 440_000, 2, (), 120),
        ("symlinks", 990_000, 1, (), 120),
        ("links", 990_000, 2, (FIRST,), 150),
        ("large", 2048, 6, (), 110),
    ],
)
def test_no_layer_takes_more_memory_than_is_promised(
    kind: str, amount: int, workers: int, files: tuple[str, ...], quarter_mib: int, whole: bool
) -> None:
    """A2: as many entries as a layer may have, and files larger than memory, are exhaustive.

    Campaigns have a quarter of each. quarter_mib: what that takes, and as much again as a quarter of it.
    """
    (mib,) = most_mib(kind, amount if whole else amount // 4, workers, *files)
    assert int(mib) < (MOST_MIB if whole else quarter_mib)


@pytest.mark.parametrize(
    ("kind", "most"),
    [
        pytest.param("escaped", 130, marks=pytest.mark.campaign),
        pytest.param("files", MOST_MIB, marks=pytest.mark.exhaustive),
    ],
)
def test_what_would_take_more_is_refused_before_it_does(kind: str, most: float) -> None:
    """A2: more entries than a layer may have; usual ones are exhaustive.

    In campaigns each letter takes six in the table of contents, so that a tenth of them is too many.
    most: MiB; in campaigns what that takes, and as much again as a quarter of it.
    """
    reason, mib = most_mib(kind, 1_000_000, 2)
    assert reason == "too_many_entries"
    assert int(mib) < most
