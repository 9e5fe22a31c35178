"""S3: which system an image has, by the files that say so."""

from __future__ import annotations

import json

import pytest

from chalicelib.packages.models import OperatingSystem
from tests.packages.layers import image_of


def system(*layers: dict[str, str | bytes]) -> OperatingSystem | None:
    return image_of(*layers).system


def os_release(given: str, version: str, name: str = "") -> dict[str, str | bytes]:
    return {"etc/os-release": f"# comment\nNAME='{name}'\nID=\"{given}\"\nVERSION_ID={version}\n"}


@pytest.mark.parametrize(
    ("given", "version", "family"),
    [
        ("rhel", "9.4", "redhat"),
        ("almalinux", "9.4", "alma"),
        ("rocky", "9.3", "rocky"),
        ("ol", "8.10", "oracle"),
        ("opensuse-leap", "15.1", "opensuse-leap"),
        ("opensuse", "42.3", "opensuse-leap"),
        ("opensuse-tumbleweed", "20240607", "opensuse-tumbleweed"),
        ("sles", "15.3", "sles"),
        ("sle-micro-rancher", "5.4", "slem"),
        ("photon", "3.0", "photon"),
        ("mariner", "2.0", "cbl-mariner"),
        ("azurelinux", "3.0", "azurelinux"),
        ("wolfi", "20230201", "wolfi"),
        ("chainguard", "20230214", "chainguard"),
        ("fedora", "42", "fedora"),
    ],
)
def test_os_release_names_the_family_as_trivy_does(given: str, version: str, family: str) -> None:
    """S3."""
    assert system(os_release(given, version)) == OperatingSystem(family=family, name=version)


@pytest.mark.parametrize(
    ("path", "content", "family", "name"),
    [
        ("etc/alpine-release", "3.19.0\n", "alpine", "3.19.0"),
        ("etc/debian_version", "10.1\n", "debian", "10.1"),
        ("etc/debian_version", "trixie/sid\n", "debian", "trixie/sid"),
        ("etc/system-release", "Amazon Linux release 2 (Karoo)\n", "amazon", "2 (Karoo)"),
        ("usr/lib/system-release", "Amazon Linux release 2023 (Amazon Linux)\n", "amazon", "2023 (Amazon Linux)"),
        ("etc/system-release", "Amazon Linux AMI release 2018.03\n", "amazon", "AMI release 2018.03"),
        ("etc/centos-release", "CentOS Linux release 7.6.1810 (Core)\n", "centos", "7.6.1810"),
        ("etc/redhat-release", "CentOS release 6.10 (Final)\n", "centos", "6.10"),
        ("etc/redhat-release", "Red Hat Enterprise Linux Server release 7.7 (Maipo)\n", "redhat", "7.7"),
        ("etc/rocky-release", "Rocky Linux release 8.5 (Green Obsidian)\n", "rocky", "8.5"),
        ("etc/almalinux-release", "AlmaLinux release 8.4 (Electric Cheetah)\n", "alma", "8.4"),
        ("etc/oracle-release", "Oracle Linux Server release 8.0\n", "oracle", "8.0"),
        ("usr/lib/fedora-release", "Fedora release 29 (Twenty Nine)\n", "fedora", "29"),
        ("etc/lsb-release", "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=18.04\n", "ubuntu", "18.04"),
    ],
)
def test_a_release_file_names_the_system(path: str, content: str, family: str, name: str) -> None:
    """S3."""
    assert system({path: content}) == OperatingSystem(family=family, name=name)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("etc/os-release", "PRETTY_NAME=x\n"),
        ("etc/lsb-release", "DISTRIB_ID=Mint\nDISTRIB_RELEASE=21\n"),
        ("etc/centos-release", "Somebody Linux release 3\n"),
        ("etc/system-release", "Fedora release 29\n"),
        ("etc/redhat-release", "no number\n"),
        ("etc/alpine-release", ""),
    ],
)
def test_a_file_that_says_nothing_known_is_no_problem(path: str, content: str) -> None:
    image = image_of({path: content})
    assert (image.system, image.problems) == (None, {})


def test_ubuntu_and_oracle_are_told_from_what_they_descend_from() -> None:
    """S3: both carry the other's file along, in whatever order they lie there."""
    ubuntu: dict[str, str | bytes] = {
        "etc/debian_version": "buster/sid\n",
        "etc/lsb-release": "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=18.04\n",
    }
    oracle: dict[str, str | bytes] = {
        "etc/redhat-release": "Red Hat Enterprise Linux release 8.0 (Ootpa)\n",
        "etc/oracle-release": "Oracle Linux Server release 8.0\n",
    }
    for files, family in ((ubuntu, "ubuntu"), (oracle, "oracle")):
        for order in (list(files), list(reversed(files))):
            found = system({path: files[path] for path in order})
            assert found is not None
            assert found.family == family
        first, second = ({path: content} for path, content in files.items())
        found = system(first, second)
        assert found is not None
        assert found.family == family


def test_centos_stream_is_another_system_than_centos() -> None:
    found = system({**os_release("centos", "8", "CentOS Stream"), "etc/redhat-release": "CentOS Stream release 8\n"})
    assert found == OperatingSystem(family="centos-stream", name="8")


def test_a_system_that_nobody_knows_keeps_its_own_name() -> None:
    """S3: such an image must not look like one of no system at all, or of another."""
    assert system(os_release("nixos", "24.05")) == OperatingSystem(family="nixos", name="24.05")
    assert system(os_release("amzn", "2023")) == OperatingSystem(family="amazon", name="2023")
    known = system({**os_release("raspbian", "12"), "etc/debian_version": "12.1\n"})
    assert known == OperatingSystem(family="debian", name="12.1")


@pytest.mark.parametrize(
    ("repositories", "stream"),
    [
        ("https://dl-cdn.alpinelinux.org/alpine/v3.9/main\nhttp://dl-cdn.alpinelinux.org/alpine/v3.10/main\n", "3.10"),
        ("http://a.org/alpine/v3.10/main\nhttp://a.org/alpine/edge/testing\n", "edge"),
        ("http://a.org/alpine/edge/main\n", "edge"),
        ("# nothing\n/media/cdrom/apks\n", ""),
        ("http://a.org/alpine/v3.10/main\nhttp://b.org/wolfi/v1/main\n", ""),
    ],
)
def test_alpines_stream_is_the_highest_release_of_its_repositories(repositories: str, stream: str) -> None:
    """S3: 3.10 is above 3.9."""
    found = system({"etc/alpine-release": "3.10.2\n", "etc/apk/repositories": repositories})
    assert found == OperatingSystem(family="alpine", name="3.10.2", stream=stream)


@pytest.mark.parametrize(("status", "extended"), [("enabled", True), ("disabled", False)])
def test_ubuntu_says_whether_updates_for_longer_are_switched_on(status: str, extended: bool) -> None:
    services = json.dumps(
        {"services": [{"name": "livepatch", "status": "enabled"}, {"name": "esm-infra", "status": status}]}
    )
    found = system(
        {
            "etc/lsb-release": "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=16.04\n",
            "var/lib/ubuntu-advantage/status.json": services,
        }
    )
    assert found == OperatingSystem(family="ubuntu", name="16.04", extended=extended)


def test_an_upper_layer_says_the_release_that_counts() -> None:
    """S3: an image that was upgraded is what it was upgraded to."""
    found = system({"etc/alpine-release": "3.18.0\n"}, {"etc/alpine-release": "3.19.0\n"})
    assert found == OperatingSystem(family="alpine", name="3.19.0")
