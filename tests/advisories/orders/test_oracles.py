"""Ten thousand pairs each, put to the managers themselves."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from chalicelib.advisories.orders import apk, dpkg, rpm
from tests.lacking import lacking

from .versions import DPKG, RPM, near

pytestmark = pytest.mark.clients

# Of versions that Dpkg itself calls valid; it prints `-` for others.
_PERL: Final = r"""
chomp; my ($one, $other) = map { Dpkg::Version->new($_) } split /\t/, $_, -1;
print(($one->is_valid && $other->is_valid) ? ($one <=> $other) : "-", "\n");
"""
# Refuses versions that begin with a dash.
_PYTHON: Final = r"""
import json, sys, rpm
def parted(text):
    epoch, colon, rest = text.partition(":")
    if not colon:
        epoch, rest = "0", text
    version, _, release = rest.partition("-")
    return (epoch if epoch.isdecimal() else "0", version, release)
def compared(one, other):
    try:
        return rpm.labelCompare(parted(one), parted(other))
    except ValueError:
        return None
json.dump([compared(*pair) for pair in json.load(sys.stdin)], sys.stdout)
"""
_VECTORS: Final = Path("/usr/share/gocode/src/github.com/knqyf263/go-apk-version/version_testcase.go")


def _run(command: Sequence[str], given: str) -> str:
    return subprocess.run(command, input=given, text=True, capture_output=True, check=True, timeout=60).stdout


def test_dpkg_itself_sorts_ten_thousand_pairs_the_same_way() -> None:
    """S1, S3."""
    if not shutil.which("dpkg-architecture"):
        lacking("Dpkg::Version is missing: apt-get install libdpkg-perl dpkg-dev")
    pairs = list(near(DPKG, ("~rc1", "+deb12u1", ":")))
    answers = _run(
        ["perl", "-MDpkg::Version", "-ne", _PERL], "".join(f"{one}\t{other}\n" for one, other in pairs)
    ).split()
    judged = [
        (pair, answer)
        for pair, answer in zip(pairs, answers, strict=True)
        if all(map(dpkg.valid, pair)) and answer != "-"
    ]
    assert len(judged) > 7_500
    assert [(pair, answer) for pair, answer in judged if dpkg.compare(*pair) != int(answer)] == []


def test_rpm_itself_sorts_ten_thousand_pairs_the_same_way() -> None:
    """S1, S3."""
    python = "/usr/bin/python3"
    if not shutil.which(python) or subprocess.run([python, "-c", "import rpm"], capture_output=True).returncode:
        lacking("Python's rpm is missing: apt-get install python3-rpm")
    pairs = list(near(RPM, ("^", "^git", "~rc1", ".el9", "_")))
    answers = json.loads(_run([python, "-c", _PYTHON], json.dumps(pairs)))
    judged = [(pair, answer) for pair, answer in zip(pairs, answers, strict=True) if answer is not None]
    assert len(judged) > 9_500
    assert [(pair, answer) for pair, answer in judged if rpm.compare(*pair) != answer] == []


def test_the_published_vectors_of_apk_hold() -> None:
    """S1, S3."""
    if not _VECTORS.exists():
        lacking("apk's vectors are missing: apt-get install golang-github-knqyf263-go-apk-version-dev")
    vectors = re.findall(r'\{"([^"]*)", "([<=>])", "([^"]*)"\}', _VECTORS.read_text())
    assert len(vectors) > 700
    assert [each for each in vectors if apk.compare(each[0], each[2]) != "<=>".index(each[1]) - 1] == []
