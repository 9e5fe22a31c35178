"""Rules about builds: an image that each is about, and one that comes near and draws no word."""

from __future__ import annotations

import pytest

from chalicelib.advice.image import Start
from tests.advice.building import Step, advice, copy, image, run, step

KIB = 1024
MIB = 1024 * 1024
INSTALL = "apt-get update && apt-get install -y --no-install-recommends"
CLEAN = "&& rm -rf /var/lib/apt/lists/*"


@pytest.mark.parametrize(
    "command",
    [
        "apt-get update && apt-get upgrade -y",
        "apt-get -y dist-upgrade",
        "apt update && apt -y full-upgrade",
        "apk -U upgrade",
        "apk upgrade --no-cache",
        "yum update -y",
        "dnf -y upgrade && dnf clean all",
        "microdnf update",
        "zypper --non-interactive dup",
        "set -eux; DEBIAN_FRONTEND=noninteractive apt-get -o Dpkg::Use-Pty=0 upgrade -y > /dev/null",
    ],
)
def test_upgrading_everything_is_told_with_what_it_wrote_over(command: str) -> None:
    """D1: upgrades."""
    steps = run("base", {"usr/lib/libssl.so.3": 700_000}), run(command, {"usr/lib/libssl.so.3": 700_001})
    (item,) = advice(*steps)["system_upgrade"]
    assert (item.bytes, item.paths) == (700_000, ("usr/lib/libssl.so.3",))


@pytest.mark.parametrize(
    "command",
    [
        f"{INSTALL} openssl {CLEAN}",
        "apk upgrade libssl3 libcrypto3",
        "yum update -y openssl",
        "echo 'apt-get upgrade is not for images'",
        "pip install --upgrade pip",
        "npm update",
    ],
)
def test_upgrading_what_is_named_is_right(command: str) -> None:
    assert "system_upgrade" not in advice(run(command))


def test_packages_installed_in_several_steps_could_be_one() -> None:
    """D1: several package steps that could be one; the waste between them is computed."""
    steps = [
        run(f"{INSTALL} curl {CLEAN}", {"var/lib/dpkg/status": 80_000, "usr/bin/curl": 9000}),
        run(f"{INSTALL} git {CLEAN}", {"var/lib/dpkg/status": 81_000, "usr/bin/git": 9000}),
    ]
    (item,) = advice(*steps)["split_package_steps"]
    assert item.bytes == 80_000
    assert item.command == steps[1].command
    assert "layers 2, 3" in item.detail


def test_one_package_step_of_each_manager_is_as_few_as_can_be() -> None:
    steps = run(f"{INSTALL} python3-pip {CLEAN}"), run("pip install flask"), run("apk add --no-cache curl")
    assert "split_package_steps" not in advice(*steps)


def test_the_base_images_steps_are_not_the_makers() -> None:
    """What stands before somebody else's CMD was somebody else's build."""
    base = [run(f"{INSTALL} ca-certificates {CLEAN}"), run("apt-get upgrade"), step('CMD ["python3"]')]
    found = advice(*base, run(f"{INSTALL} curl {CLEAN}"), step('CMD ["app"]'))
    assert not {"split_package_steps", "system_upgrade"} & set(found)
    inherited = advice(run("x", {"var/cache/apk/x": 5000}), step('CMD ["sh"]'), run("y"))["package_cache"]
    assert [item.inherited for item in inherited] == [True]
    assert [item.inherited for item in advice(run("x", {"var/cache/apk/x": 5000}))["package_cache"]] == [False]


def test_lists_updated_in_a_step_of_their_own_are_told() -> None:
    """D1: the guide's own example."""
    lists = {"var/lib/apt/lists/Packages": 19_000}
    steps = run("apt-get update", lists), run("apt-get install -y --no-install-recommends nodejs")
    (item,) = advice(*steps)["update_apart"]
    assert (item.bytes, item.command) == (19_000, "RUN /bin/sh -c apt-get update # buildkit")
    assert "update_apart" not in advice(run(f"{INSTALL} nodejs {CLEAN}"))
    assert "update_apart" not in advice(run("npm update && apt-get install -y --no-install-recommends x"))


def test_recommended_packages_come_along_unless_apt_is_told_not_to() -> None:
    """D1: unneeded packages. The layers do not tell how many bytes it were."""
    (item,) = advice(run("apt-get update && apt-get install -y curl"))["recommended_packages"]
    assert item.bytes is None
    for command in (
        f"{INSTALL} curl",
        "apt-get install -y -o APT::Install-Recommends=false curl",
        "apk add curl",
        "dpkg -i curl.deb",
    ):
        assert "recommended_packages" not in advice(run(command)), command
    settings = run("echo 'APT::Install-Recommends \"0\";' > /etc/apt/apt.conf.d/99")
    assert "recommended_packages" not in advice(settings, run("apt-get install -y curl"))


def test_several_services_in_one_image_are_told() -> None:
    """D1: the guide's nodejs and mysql; a cron daemon beside a server; whatever a supervisor starts."""
    two = run("apt-get install nginx default-mysql-server", {"usr/sbin/nginx": MIB, "usr/sbin/mysqld": MIB})
    (item,) = advice(two)["several_services"]
    assert item.detail == "MySQL, nginx"
    assert "several_services" in advice(run("x", {"usr/sbin/cron": KIB, "usr/sbin/sshd": KIB}))
    supervised = advice(run("x"), start=Start("app", (), ("/usr/bin/supervisord", "-c", "/etc/supervisord.conf")))
    assert "started by supervisord" in supervised["several_services"][0].detail


def test_one_service_is_one() -> None:
    assert "several_services" not in advice(run("x", {"usr/sbin/nginx": MIB, "usr/bin/mysql": MIB}))
    # busybox has names for many.
    assert "several_services" not in advice(run("x", {"usr/sbin/nginx": MIB, "usr/sbin/crond": 0}))
    started = Start("app", ("/usr/bin/tini", "--"), ("nginx",))
    assert "several_services" not in advice(run("x", {"usr/sbin/nginx": MIB}), start=started)


def test_packages_installed_after_the_sources_are_installed_with_every_change() -> None:
    """D1: the guide's own example, by both builders."""
    install = run(f"{INSTALL} nodejs {CLEAN}")
    assert "sources_before_packages" in advice(copy(". /app", {"app/x": 1}), install)
    classic = step("/bin/sh -c #(nop) ADD dir:0f1e in /app ", {"app/x": 1})
    assert "sources_before_packages" in advice(classic, install)
    assert "sources_before_packages" not in advice(install, copy(". /app", {"app/x": 1}))
    assert "sources_before_packages" not in advice(copy("sources.list /etc/apt/", {"etc/apt/sources.list": 1}), install)
    assert "sources_before_packages" not in advice(copy(". /app", {"app/x": 1}), run("npm install"))


@pytest.mark.parametrize(
    "base", ["debian", "debian:latest", "example.test:5000/team/debian", "docker.io/library/node:latest"]
)
def test_a_base_image_without_a_version_is_told(base: str) -> None:
    """D1: latest or missing base tag, where it is visible."""
    (item,) = advice(run("x"), base=base)["base_tag"]
    assert item.layer == image(run("x")).layers[0][0]


@pytest.mark.parametrize(
    "base", ["", "scratch", "debian:12", "debian@sha256:abc", "debian:latest@sha256:abc", "a.test:5000/b:1"]
)
def test_a_base_image_with_a_version_is_right(base: str) -> None:
    assert "base_tag" not in advice(run("x"), base=base)


def test_add_for_a_plain_copy_is_told() -> None:
    assert "add_for_copy" in advice(step("ADD . /app # buildkit", {"app/x": 1, "app/y": 1}))
    assert "add_for_copy" in advice(step("/bin/sh -c #(nop) ADD file:01 in /app/x ", {"app/x": 1}))
    for near in (
        step("ADD https://example.test/x.bin /opt/ # buildkit", {"opt/x.bin": 1}),
        step("ADD rootfs.tar.xz / # buildkit", {"opt/x": 1}),
        step("/bin/sh -c #(nop) ADD file:01 in / ", {"opt/x": 1, "opt/y": 1}),
        copy("x /opt/x", {"opt/x": 1}),
    ):
        assert "add_for_copy" not in advice(near), near.command


def test_a_root_file_system_is_added_and_not_copied() -> None:
    assert "add_for_copy" not in advice(debian=True)


@pytest.mark.parametrize("user", ["", "root", "0", "root:root", "0:0"])
def test_running_as_root_is_told(user: str) -> None:
    assert "runs_as_root" in advice(run("x"), start=Start(user))


@pytest.mark.parametrize("user", ["app", "1000", "1000:1000", "nobody"])
def test_running_as_somebody_is_right(user: str) -> None:
    assert "runs_as_root" not in advice(run("x"), start=Start(user))


def test_a_shell_before_the_program_is_told() -> None:
    found = advice(run("x"), start=Start("app", (), ("/bin/sh", "-c", "node server.js")))
    assert "node server.js" in found["shell_form"][0].detail
    for cmd in (("node", "server.js"), ("/bin/sh", "-c", "exec node server.js"), ("/bin/sh",), ("bash",)):
        assert "shell_form" not in advice(run("x"), start=Start("app", (), cmd)), cmd


@pytest.mark.parametrize(
    "steps",
    [
        [copy("/app /app", {"app": 9 * MIB})],
        [step("bazel build ...", {"etc/passwd": 100, "usr/share/doc/libc6/copyright": 9000, "etc/ssl/x": 200_000}),
         step("bazel build ...", {"usr/lib/x86_64-linux-gnu/libc.so.6": 2 * MIB}),
         copy("/go/bin/app /", {"app": 9 * MIB})],
    ],
    ids=["scratch", "distroless"],
)  # fmt: skip
def test_an_image_made_with_care_draws_no_word(steps: list[Step]) -> None:
    """D1: no false advice, also where it runs as root: there is nothing in it but the program."""
    assert advice(*steps, debian=False, start=Start("", ("/app",))) == {}


def test_an_image_without_layers_or_history_draws_no_word_it_cannot_give() -> None:
    assert advice(debian=False) == {}
    found = advice(step("", {"var/cache/apk/x": 5000}), debian=False)
    assert set(found) == {"package_cache"}


@pytest.mark.parametrize(
    "command",
    [
        "RUN /bin/sh -c echo 'unclosed && apt-get upgrade",
        "RUN " + "(" * 5000,
        "|9 /bin/sh -c",
        "RUN",
        "#(nop)",
        "\0" * 99,
    ],
)
def test_what_strangers_note_makes_nothing_fail(command: str) -> None:
    advice(step(command, {"x": 1}), step(command))
