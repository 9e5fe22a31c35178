"""What pip and its like installed."""

from __future__ import annotations

import pytest

from chalicelib.packages.languages.conda import CondaReader
from chalicelib.packages.languages.python import EggReader, PythonReader
from chalicelib.packages.reading import Unreadable

from .made import MadeEntry, archive, names, told

_FOLDER = "usr/lib/python3.11/site-packages"


def test_wheels_and_eggs_are_found_by_their_metadata() -> None:
    """S3."""
    metadata = "Metadata-Version: 2.1\nName: PyYAML\nVersion: 6.0.1\n\nName: not this\n"
    for path in (
        f"{_FOLDER}/PyYAML-6.0.1.dist-info/METADATA",
        f"{_FOLDER}/PyYAML-6.0.1.egg-info",
        f"{_FOLDER}/PyYAML-6.0.1.egg-info/PKG-INFO",
        f"{_FOLDER}/PyYAML-6.0.1-py3.11.egg/EGG-INFO/PKG-INFO",
    ):
        result = told(PythonReader(), path, metadata)
        assert names(result) == [("PyYAML", "6.0.1")]
        assert result.packages[0].type == "python-pkg"
        assert result.packages[0].path == path


def test_packed_eggs_are_opened() -> None:
    """S3."""
    egg = archive({"kitchen/__init__.py": "", "EGG-INFO/PKG-INFO": "Name: kitchen\nVersion: 1.2.6\n"})
    assert names(told(EggReader(), f"{_FOLDER}/kitchen.egg", egg)) == [("kitchen", "1.2.6")]
    assert names(told(EggReader(), f"{_FOLDER}/empty.egg", archive({"a": "b"}))) == []


def test_other_metadata_is_nobodys() -> None:
    for path in ("usr/share/METADATA", "srv/PKG-INFO", f"{_FOLDER}/x.dist-info/RECORD"):
        assert not PythonReader().wants(MadeEntry(path, b""))


def test_headers_end_at_the_first_line_that_is_none() -> None:
    """What follows a broken licence text is not trusted; what stands before it counts."""
    result = told(
        PythonReader(), "a.egg-info", "Name: a\r\nVersion: 1\r\nLicense: MIT\r\n  and more\r\nbroken\r\nVersion: 2\r\n"
    )
    assert names(result) == [("a", "1")]
    assert result.packages[0].licenses == ("MIT", "more")


@pytest.mark.parametrize(
    ("headers", "licences"),
    [
        ("License-Expression: MIT OR Apache-2.0\nLicense: BSD", ("MIT OR Apache-2.0",)),
        ("Classifier: License :: OSI Approved :: MIT License\nLicense: BSD", ("MIT License",)),
        ("Classifier: License :: OSI Approved\nLicense: BSD or GPL", ("BSD", "GPL")),
        ("License: Apache License, Version 2.0", ("Apache License, Version 2.0",)),
        ("License: Permission is hereby granted", ("text://Permission is hereby granted",)),
        ("License-File: LICENSE", ()),
    ],
)
def test_licences_come_from_the_most_exact_header(headers: str, licences: tuple[str, ...]) -> None:
    """S4."""
    result = told(PythonReader(), "a.egg-info", f"Name: a\nVersion: 1\n{headers}\n")
    assert result.packages[0].licenses == licences


@pytest.mark.parametrize(
    "metadata", ["", "Name: a\n", "Version: 1\n", "\nName: a\nVersion: 1\n", " Name: a\nVersion: 1"]
)
def test_metadata_without_a_name_or_a_version_is_a_problem(metadata: str) -> None:
    with pytest.raises(Unreadable, match="names no package"):
        told(PythonReader(), "a.egg-info", metadata)


def test_condas_environments_are_listed() -> None:
    """S4: for bills of materials; nobody publishes advisories about them."""
    path = "opt/conda/envs/web/conda-meta/pip-22.2.2-py38h06a4308_0.json"
    result = told(CondaReader(), path, '{"name": "pip", "version": "22.2.2", "license": "MIT"}')
    assert [(each.type, each.name, each.licenses) for each in result.packages] == [("conda-pkg", "pip", ("MIT",))]
    assert not CondaReader().wants(MadeEntry("opt/conda/conda-meta/pip-22.2.2-py38_0.json", b""))
