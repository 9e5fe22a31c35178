"""S3: what Red Hat's images say of how they were built, and which layer says it for which packages."""

from __future__ import annotations

import json

import pytest

from tests.packages import rpm_writing as rpm
from tests.packages.layers import image_of
from tests.packages.test_rpm import BASH

RPMS: dict[str, str | bytes] = {
    "var/lib/rpm/Packages": rpm.bdb([rpm.header(BASH)]),
    "usr/lib/os-release": "ID=rhel\nVERSION_ID=8.4\n",
}
MANIFEST = "root/buildinfo/content_manifests/ubi8-container-8.4-203.json"


def build(*layers: dict[str, str | bytes]) -> dict[str, str]:
    (bash,) = image_of(*layers).packages
    return dict(bash.package.build)


def sets(*names: str) -> str:
    return json.dumps({"metadata": {"icm_version": 1}, "content_sets": list(names)})


def test_content_sets_hold_for_packages_of_their_layer_and_of_those_above() -> None:
    """S3: whoever builds upon such an image names none."""
    assert build({**RPMS, MANIFEST: sets("a", "b")}) == {"content_sets": "a,b"}
    above = rpm.bdb([rpm.header(BASH), rpm.header({**BASH, rpm.NAME: "zlib"})])
    image = image_of({**RPMS, MANIFEST: sets("a")}, {"x": ""}, {"var/lib/rpm/Packages": above})
    assert [(each.package.name, each.package.build, each.layer.digest) for each in image.packages] == [
        ("bash", {"content_sets": "a"}, "sha256:0"),
        ("zlib", {"content_sets": "a"}, "sha256:2"),
    ]


def test_the_lowest_layer_takes_them_from_the_one_above() -> None:
    """S3: Red Hat's images say them in their second layer."""
    assert build(RPMS, {MANIFEST: sets("a")}) == {"content_sets": "a"}
    assert build(RPMS, {}, {MANIFEST: sets("a")}) == {}
    assert build(RPMS) == {}


def test_older_images_say_their_name_in_a_dockerfile() -> None:
    """S3: labels over several lines, variables, the words of both ways to write one."""
    text = (
        "FROM registry/ubi7\n# LABEL architecture=no\nARG C=ubi7-container\nENV ARCH x86_64\n"
        'LABEL com.redhat.component="$C" \\\n      name="ubi7"\nlabel architecture ${ARCH}\nRUN echo "\n'
    )
    path = "root/buildinfo/Dockerfile-ubi7-7.7-140"
    assert build({**RPMS, path: text}) == {"nvr": "ubi7-container-7.7-140", "arch": "x86_64"}


@pytest.mark.parametrize(
    ("path", "text", "problem"),
    [
        (MANIFEST, "{", "redhat-contents: "),
        (MANIFEST, '{"content_sets": "a"}', "redhat-contents: content sets that are no list of names"),
        (MANIFEST, '{"content_sets": ["\\ud800"]}', "redhat-contents: "),
        ("root/buildinfo/Dockerfile-a-1-2", "FROM x\n", "redhat-build: a Dockerfile without the labels"),
        ("root/buildinfo/Dockerfile-a-1-2", 'LABEL a="x\n', "redhat-build: a Dockerfile with a broken line"),
    ],
)
def test_what_cannot_be_read_is_a_problem(path: str, text: str, problem: str) -> None:
    image = image_of({**RPMS, path: text})
    assert image.problems[path].startswith(problem)
    assert len(image.packages) == 1


def test_a_manifest_without_content_sets_tells_nothing() -> None:
    assert build({**RPMS, MANIFEST: "{}"}) == {}
