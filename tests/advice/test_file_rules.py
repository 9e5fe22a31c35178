"""Rules about files: an image that each is about, and one that comes near and draws no word."""

from __future__ import annotations

from typing import Any

import pytest

from tests.advice.building import advice, copy, image, run, step

KIB = 1024
MIB = 1024 * 1024
INSTALL = "apt-get update && apt-get install -y --no-install-recommends"
CLEAN = "&& rm -rf /var/lib/apt/lists/*"


@pytest.mark.parametrize(
    ("path", "instead"),
    [
        ("var/lib/apt/lists/deb.debian.org_debian_dists_bookworm_main_binary-amd64_Packages", "/var/lib/apt/lists"),
        ("var/cache/apt/archives/curl_8.5_amd64.deb", "/var/lib/apt/lists"),
        ("var/cache/apt/pkgcache.bin", "/var/lib/apt/lists"),
        ("var/cache/apk/APKINDEX.123.tar.gz", "apk add --no-cache"),
        ("var/cache/dnf/fedora-filenames.solvx", "dnf clean all"),
        ("var/cache/yum/x86_64/7/base/primary.sqlite", "dnf clean all"),
        ("var/cache/zypp/packages/a.rpm", "zypper clean"),
        ("root/.cache/pip/http/a/b/c", "--no-cache-dir"),
        ("home/app/.cache/uv/wheels/a", "uv sync"),
        ("root/.npm/_cacache/content-v2/sha512/a", "npm ci"),
        ("usr/local/share/.cache/yarn/v6/npm-a/a", "yarn cache clean"),
        ("root/.cache/go-build/00/a", "COPY --from=build"),
        ("go/pkg/mod/github.com/a/b@v1/a.go", "COPY --from=build"),
        ("root/.m2/repository/a/b.jar", "COPY --from=build"),
        ("root/.gradle/caches/modules-2/a.jar", "COPY --from=build"),
        ("usr/local/cargo/registry/cache/a.crate", "COPY --from=build"),
        ("root/.composer/cache/files/a.zip", "composer install"),
        ("usr/local/bundle/cache/rails-7.gem", "bundle install"),
        ("root/.nuget/packages/a/1.0/a.nupkg", "COPY --from=build"),
        ("opt/conda/pkgs/numpy-1.26.conda", "conda clean"),
    ],
)
def test_a_package_cache_that_is_left_is_told_with_its_layer_and_bytes(path: str, instead: str) -> None:
    """D1: package caches left behind."""
    built = image(run("install", {path: 5000}))
    (item,) = advice(run("install", {path: 5000}))["package_cache"]
    assert (item.bytes, item.layer, item.paths) == (5000, built.layers[1][0], (path,))
    assert item.command == "RUN /bin/sh -c install # buildkit"
    assert instead in item.instead


@pytest.mark.parametrize(
    "path",
    [
        "var/lib/apt/lists/lock",
        "var/lib/apt/extended_states",
        "var/cache/debconf/templates.dat",
        "usr/share/doc/apk/APKINDEX",
        "app/.cache/pip/data",
        "app/vendor/cache/rails-7.gem",
        "go/src/main.go",
        "opt/conda/pkgs/numpy/lib/numpy.py",
        "usr/local/cargo/env",
    ],
)
def test_what_only_looks_like_a_cache_is_left_alone(path: str) -> None:
    assert "package_cache" not in advice(run("install", {path: 5000}))


def test_an_empty_cache_is_none() -> None:
    assert "package_cache" not in advice(run("install", {"var/cache/apk/installed": 0, "var/lib/apt/lists/x": 0}))


def test_files_that_a_later_layer_deletes_are_told_with_the_layer_that_brings_them() -> None:
    """D1: files copied and deleted later."""
    steps = copy("big.tar /tmp/", {"tmp/big.tar": 3 * MIB}), run("rm /tmp/big.tar", {"tmp/.wh.big.tar": 0})
    (item,) = advice(*steps)["deleted_later"]
    assert (item.bytes, item.paths, item.command) == (3 * MIB, ("tmp/big.tar",), "COPY big.tar /tmp/ # buildkit")
    assert "layer 3" in item.detail
    assert ".dockerignore" in item.instead


def test_files_that_are_gone_within_their_own_step_cost_nothing() -> None:
    found = advice(run("curl big.tar && tar xf big.tar && rm big.tar", {"opt/program": MIB}))
    assert not {"deleted_later", "overwritten_later"} & set(found)


def test_files_written_over_later_are_told() -> None:
    steps = run("one", {"opt/data": b"x" * 9000}), run("two", {"opt/data": b"y" * 9001})
    (item,) = advice(*steps)["overwritten_later"]
    assert item.bytes == 9000


def test_what_package_managers_write_over_with_every_step_is_no_advice() -> None:
    """It is counted as waste all the same."""
    steps = run("one", {"var/lib/dpkg/status": 90_000}), run("two", {"var/lib/dpkg/status": 95_000})
    assert "overwritten_later" not in advice(*steps)
    assert image(*steps).files.wasted_bytes == 90_000


def test_files_copied_for_their_owner_are_told_as_such() -> None:
    """D1: chmod and chown copy every file that they touch."""
    files = {"app/a": 40_000, "app/b": 50_000}
    steps = copy("/build /app", files), run("chown -R app /app", files)
    found = advice(*steps)
    (item,) = found["permissions_changed_later"]
    assert item.bytes == 90_000
    assert "COPY --chown" in item.instead
    assert "overwritten_later" not in found


@pytest.mark.parametrize("path", ["usr/bin/vim.basic", "bin/nano", "usr/sbin/sshd", "usr/bin/gdb", "usr/bin/strace"])
def test_packages_that_no_container_needs_are_told(path: str) -> None:
    (item,) = advice(run("x", {path: 300_000}))["unneeded_packages"]
    assert item.bytes == 300_000


@pytest.mark.parametrize(
    "path", ["usr/bin/vimrc", "usr/bin/ssh", "usr/share/vim/vimrc", "app/bin/nano", "usr/bin/mandb"]
)
def test_packages_that_may_be_needed_are_not(path: str) -> None:
    assert "unneeded_packages" not in advice(run("x", {path: 300_000}))


def test_much_documentation_is_told_and_licences_are_not() -> None:
    (item,) = advice(run("x", {"usr/share/man/man1/all": 2 * MIB, "usr/share/doc/x": MIB}))["documentation"]
    assert item.bytes == 3 * MIB
    assert "documentation" not in advice(run("x", {"usr/share/doc/curl/copyright": 30_000}))


@pytest.mark.parametrize(
    "files",
    [
        {"usr/lib/gcc/x86_64-linux-gnu/12/cc1": MIB, "usr/bin/x86_64-linux-gnu-gcc-12": MIB, "usr/include/a.h": MIB},
        {"usr/local/go/bin/go": 2 * MIB, "usr/local/go/src/fmt/print.go": MIB},
        {"usr/local/cargo/bin/cargo": MIB, "usr/local/rustup/toolchains/stable/bin/rustc": 2 * MIB},
        {"opt/java/bin/javac": MIB, "opt/java/jmods/java.base.jmod": MIB, "opt/java/lib/src.zip": MIB},
        {"usr/share/maven/lib/maven-core.jar": 3 * MIB},
        {"usr/share/dotnet/sdk/8.0.100/dotnet.dll": 3 * MIB},
        {"usr/bin/cmake": MIB, "usr/share/cmake-3.25/Modules/x": 2 * MIB},
        {"usr/lib/llvm-14/bin/clang": 3 * MIB},
    ],
)  # fmt: skip
def test_build_tools_in_the_final_stage_are_told(files: dict[str, int]) -> None:
    """D1: build tools left in the final stage."""
    (item,) = advice(run("x", files))["build_tools"]
    assert item.bytes == 3 * MIB
    assert "COPY --from=build" in item.instead


@pytest.mark.parametrize(
    "files",
    [
        {"usr/lib/gcc/x86_64-linux-gnu/12/libgcc_s.so": MIB},
        {"usr/lib/jvm/jre/bin/java": MIB, "usr/lib/jvm/jre/lib/modules": MIB},
        {"usr/local/go-app/app": MIB},
        {"usr/share/dotnet/shared/Microsoft.NETCore.App/8.0/a.dll": MIB},
        {"usr/include/stdio.h": MIB},
    ],
)
def test_what_a_program_needs_to_run_is_no_build_tool(files: dict[str, int]) -> None:
    assert "build_tools" not in advice(run("x", files))


def test_the_history_of_the_sources_is_told() -> None:
    """D1: .git copied in."""
    files = {"app/.git/HEAD": 20, "app/.git/objects/pack/a.pack": MIB, "app/main.py": 10}
    (item,) = advice(copy(". /app", files))["git_folder"]
    assert item.bytes == MIB + 20
    assert ".dockerignore" in item.instead
    (cloned,) = advice(run("git clone", files))["git_folder"]
    assert "--depth 1" in cloned.instead
    near = {"app/.gitignore": 10, "app/.github/workflows/ci.yml": 10, "app/.git/config": 10, "app/x.git/HEAD": 10}
    assert "git_folder" not in advice(copy(". /app", near))


def test_node_modules_from_the_makers_machine_are_told() -> None:
    """D1: node_modules copied in."""
    files = {"app/node_modules/express/index.js": 70_000, "app/package.json": 100}
    (item,) = advice(copy(". /app", files))["node_modules_copied"]
    assert (item.bytes, item.detail) == (70_000, "1 files in app/node_modules")
    classic = step("/bin/sh -c #(nop) COPY dir:0f1e in /app ", {**files, "app/Dockerfile": 10})
    assert "node_modules_copied" in advice(classic)


def test_node_modules_that_were_installed_or_built_are_right() -> None:
    files = {"app/node_modules/express/index.js": 70_000, "app/package.json": 100}
    assert "node_modules_copied" not in advice(run("npm ci", files))
    assert "node_modules_copied" not in advice(copy("/build/node_modules /app/node_modules", files))
    assert "node_modules_copied" not in advice(step("/bin/sh -c #(nop) COPY dir:0f1e in /app ", files))


@pytest.mark.parametrize("path", ["app/.env", "root/.ssh/id_rsa", "root/.aws/credentials", "root/.docker/config.json"])
def test_files_named_like_secrets_are_named_also_where_a_later_layer_deletes_them(path: str) -> None:
    (item,) = advice(copy(". /", {path: 10}))["secret_file"]
    assert item.paths == (path,)
    folder, _, name = path.rpartition("/")
    (hidden,) = advice(copy(". /", {path: 10}), run("rm", {f"{folder}/.wh.{name}": 0}))["secret_file"]
    assert "whoever pulls the image has it" in hidden.detail


@pytest.mark.parametrize(
    "path",
    ["app/.env.example", "root/.ssh/id_rsa.pub", "app/node_modules/x/.env", "etc/credentials", "app/config.json",
     "usr/local/lib/node_modules/npm/.npmrc", "usr/lib/python3/dist-packages/x/tests/id_rsa"],
)  # fmt: skip
def test_files_that_hold_no_secret_are_not_named(path: str) -> None:
    assert "secret_file" not in advice(copy(". /", {path: 10}))


def test_what_saves_most_comes_first_and_no_rule_speaks_for_ever() -> None:
    many: list[Any] = [run("x", {f"root/.cache/pip/{n}": 2000 + n}) for n in range(50)]
    found = advice(*many, run("x", {"var/cache/apk/x": 90_000}))["package_cache"]
    assert len(found) == 20
    assert [item.bytes for item in found] == sorted((item.bytes or 0 for item in found), reverse=True)
    assert found[0].bytes == 90_000
