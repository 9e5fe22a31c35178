"""Jars, and what is packed like them."""

from __future__ import annotations

import zipfile

import pytest

from chalicelib.packages.languages.java import JavaReader
from chalicelib.packages.reading import Unreadable

from .made import MadeEntry, archive, names, properties, told

_JACKSON = properties("com.fasterxml.jackson.core", "jackson-databind", "2.9.8")


def _manifest(*lines: str) -> dict[str, str]:
    return {"META-INF/MANIFEST.MF": "\r\n".join(("Manifest-Version: 1.0", *lines, "", "Name: a/", "Bundle-Version: 9"))}


def test_jars_say_in_their_properties_what_they_are() -> None:
    """S3."""
    files = {
        **_JACKSON,
        **_manifest("Implementation-Vendor-Id: other", "Implementation-Title: jackson-databind", "Bundle-Version: 1"),
    }
    result = told(JavaReader(), "opt/jackson-databind-2.9.8.jar", archive(files))
    assert names(result) == [("com.fasterxml.jackson.core:jackson-databind", "2.9.8")]
    assert (result.packages[0].type, result.packages[0].path) == ("jar", "opt/jackson-databind-2.9.8.jar")


def test_shaded_jars_hold_others_and_are_one_themselves() -> None:
    """S3."""
    files = {
        **_JACKSON,
        **properties("org.example", "inner", "2.17.0"),
        "META-INF/maven/copy/pom.properties": "groupId=org.example\nartifactId=inner\nversion=2.17\n",
        "META-INF/maven/broken/pom.properties": "groupId=org.example\n",
        **_manifest("Implementation-Vendor-Id: org.example", "Implementation-Title: app", "Implementation-Version: 3"),
    }
    result = told(JavaReader(), "opt/app.jar", archive(files))
    assert sorted(names(result)) == [
        ("com.fasterxml.jackson.core:jackson-databind", "2.9.8"),
        ("org.example:app", "3"),
        ("org.example:inner", "2.17.0"),
    ]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_jars_inside_a_program_have_a_path_of_their_own(method: int) -> None:
    """S3: Spring Boot stores what it needs as jars in the jar; wars are nested once more."""
    inner = archive(_JACKSON)
    boot = archive({"BOOT-INF/lib/jackson-databind-2.9.8.jar": inner, **properties("x", "boot", "1")}, method)
    result = told(JavaReader(), "srv/all.ear", archive({"web.war": boot, "../../etc/evil.jar": inner}, method))
    assert {(each.name, each.path) for each in result.packages} == {
        ("x:boot", "srv/all.ear/web.war"),
        (
            "com.fasterxml.jackson.core:jackson-databind",
            "srv/all.ear/web.war/BOOT-INF/lib/jackson-databind-2.9.8.jar",
        ),
    }
    assert result.problem == ""


@pytest.mark.parametrize(
    ("name", "coordinates"),
    [
        ("spring-core-5.3.13.jar", ("org.springframework:spring-core", "5.3.13")),
        (
            "spring-security-web-5.6.0-SNAPSHOT.jar",
            ("org.springframework.security:spring-security-web", "5.6.0-SNAPSHOT"),
        ),
        ("commons-collections-3.2.1.jar", ("commons-collections:commons-collections", "3.2.1")),
    ],
)
def test_well_known_jars_are_told_by_their_names(name: str, coordinates: tuple[str, str]) -> None:
    """S3: Gradle leaves out the properties, and Spring is built by it."""
    assert names(told(JavaReader(), f"app/lib/{name}", archive({"a.class": ""}))) == [coordinates]


@pytest.mark.parametrize(
    "lines",
    [
        ("Bundle-SymbolicName: org.example.gizmo", "Bundle-Name: gizmo", "Bundle-Version: 1.1"),
        ("Implementation-Vendor: org.example", "Specification-Title: gizmo", "Specification-Version: 1", " .1"),
        ("Implementation-Vendor-Id: org.example", "Implementation-Title: giz", " mo", "Implementation-Version: 1.1"),
    ],
)
def test_manifests_count_where_nothing_better_is_there(lines: tuple[str, ...]) -> None:
    assert names(told(JavaReader(), "gizmo.jar", archive(_manifest(*lines)))) == [("org.example:gizmo", "1.1")]


def test_titles_for_people_are_no_coordinates() -> None:
    """S2: a wrong name would stand for a jar that nobody ever published."""
    lines = ("Implementation-Vendor: The Example Company", "Implementation-Title: gizmo", "Implementation-Version: 1")
    assert names(told(JavaReader(), "gizmo.jar", archive(_manifest(*lines)))) == []
    variables = ("Bundle-SymbolicName: a.b", "Bundle-Name: %name", "Bundle-Version: 1")
    assert names(told(JavaReader(), "gizmo.jar", archive(_manifest(*variables)))) == []
    other = ("Implementation-Vendor-Id: a.b", "Implementation-Title: other", "Implementation-Version: 1")
    assert names(told(JavaReader(), "gizmo-1.0.jar", archive(_manifest(*other)))) == []


def test_licences_come_from_the_pom_beside_the_properties() -> None:
    """S4."""
    licence = "<licenses><license><name> MIT </name></license></licenses>"
    pom = f"<project xmlns='http://maven.apache.org/POM/4.0.0'>{licence}</project>"
    folder = "META-INF/maven/com.fasterxml.jackson.core/jackson-databind"
    result = told(JavaReader(), "a.jar", archive({**_JACKSON, f"{folder}/pom.xml": pom}))
    assert result.packages[0].licenses == ("MIT",)
    broken = told(JavaReader(), "a.jar", archive({**_JACKSON, f"{folder}/pom.xml": "<project>"}))
    assert names(broken) and not broken.problem


def test_endings_count_in_capitals_too() -> None:
    assert JavaReader().wants(MadeEntry("opt/A.JAR", b"PK"))
    assert not JavaReader().wants(MadeEntry("opt/a.jar.txt", b"PK"))


def test_broken_jars_are_problems_and_those_inside_take_nothing_else_along() -> None:
    """S2: the reason is visible, the rest counts."""
    result = told(
        JavaReader(), "a.war", archive({"lib/broken.jar": b"no zip", "lib/good-2.9.8.jar": archive(_JACKSON)})
    )
    assert names(result) == [("com.fasterxml.jackson.core:jackson-databind", "2.9.8")]
    assert result.problem == "a.war/lib/broken.jar: no zip file"
    with pytest.raises(Unreadable):
        told(JavaReader(), "a.jar", b"no zip at all")


def test_jars_are_entered_four_deep_and_no_deeper() -> None:
    """S2: quines and bombs end somewhere."""
    nested = archive(_JACKSON)
    for _ in range(6):
        nested = archive({"inner.jar": nested})
    result = told(JavaReader(), "a.jar", nested)
    assert names(result) == []
    assert "more than 4 archives inside each other" in result.problem
