"""`docker-credential-crs`: the protocol that docker, podman and others speak with it, and the file behind it."""

from __future__ import annotations

import ast
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner

from chalicelib.cli.commands import crs
from chalicelib.cli.credential_helper import main
from chalicelib.cli.programs import MODULES
from tests.house.project import ROOT

HOST = "registry.example.com:5000"
Ask = Callable[..., tuple[int, str]]


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Asks the helper: exit code, and what it says."""

    def call(action: str, sent: object = "", **environment: str) -> tuple[int, str]:
        text = sent if isinstance(sent, str) else json.dumps(sent)
        code = main([action], {"HOME": str(tmp_path), **environment}, lambda: text)
        return code, capsys.readouterr().out.strip()

    return call


def login(server: str = HOST, username: str = "deploy", secret: str = "s3cret") -> dict[str, str]:
    return {"ServerURL": server, "Username": username, "Secret": secret}


def test_what_is_stored_is_got_listed_and_erased(ask: Ask) -> None:
    """G3: in the protocol's words, which clients compare letter for letter."""
    assert ask("get", HOST) == (1, "credentials not found in native keychain")
    assert ask("store", login()) == (0, "")
    assert ask("store", login("other.example.com", "ada", "geheim")) == (0, "")
    code, text = ask("get", f"{HOST}\n")
    assert (code, json.loads(text)) == (0, login())
    code, text = ask("list")
    assert (code, json.loads(text)) == (0, {HOST: "deploy", "other.example.com": "ada"})
    assert ask("erase", HOST) == (0, "")
    assert ask("erase", HOST) == (0, "")
    assert ask("get", HOST)[0] == 1
    assert ask("get", "other.example.com")[0] == 0


@pytest.mark.parametrize("asked", [f"https://{HOST}", f"https://{HOST}/", f"http://{HOST}", f"{HOST}/library/nginx"])
def test_a_registry_is_found_however_its_address_is_written(ask: Ask, asked: str) -> None:
    """G3"""
    ask("store", login())
    code, text = ask("get", asked)
    assert (code, json.loads(text)["Secret"], json.loads(text)["ServerURL"]) == (0, "s3cret", asked)


@pytest.mark.parametrize(
    "asked", ["registry.example.com", "registry.example.com:50", "x" + HOST, HOST + ".evil.example"]
)
def test_a_login_is_for_no_other_registry(ask: Ask, asked: str) -> None:
    """G3"""
    ask("store", login())
    assert ask("get", asked) == (1, "credentials not found in native keychain")


@pytest.mark.parametrize(
    ("action", "sent", "told"),
    [
        ("get", "", "no credentials server URL"),
        ("erase", " \n", "no credentials server URL"),
        ("store", login(server=""), "no credentials server URL"),
        ("store", login(username=""), "no credentials username"),
        ("store", "{", "send JSON with ServerURL, Username and Secret"),
        ("store", "[" * 100_000, "send JSON with ServerURL, Username and Secret"),
        ("store", {"ServerURL": HOST}, "send JSON with ServerURL, Username and Secret"),
        ("store", {"ServerURL": HOST, "Username": "a", "Secret": 7}, "ServerURL, Username and Secret are texts"),
        ("steal", "", "Usage: docker-credential-crs <get|store|erase|list|version>"),
    ],
)
def test_what_is_sent_wrongly_is_told_in_a_line(ask: Ask, action: str, sent: object, told: str) -> None:
    """G3"""
    assert ask(action, sent) == (1, told)


def test_nobody_else_reads_the_file(ask: Ask, tmp_path: Path) -> None:
    """G3: and one that others could read is not trusted."""
    ask("store", login())
    file = tmp_path / ".config/crs/credentials.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    file.chmod(0o644)
    code, text = ask("get", HOST)
    assert code == 1
    assert "others may read" in text and "s3cret" not in text


@pytest.mark.parametrize("held", ["", "[]", "{}", '{"registries": []}', '{"registries": {"x": {"username": 1}}}', "\0"])
def test_a_file_that_is_none_of_ours_is_neither_read_nor_overwritten(ask: Ask, tmp_path: Path, held: str) -> None:
    """G3"""
    file = tmp_path / "mine.json"
    file.write_text(held)
    file.chmod(0o600)
    for action, sent in (("get", HOST), ("list", ""), ("store", login())):
        code, text = ask(action, sent, CRS_CREDENTIALS=str(file))
        assert (code, text) == (1, f"{file} is not a file of logins")
    assert file.read_text() == held


def test_logins_stored_at_once_are_all_there(ask: Ask, tmp_path: Path) -> None:
    """G3"""
    environment = {"HOME": str(tmp_path)}
    with ThreadPoolExecutor(8) as threads:
        stored = threads.map(
            lambda n: main(["store"], environment, lambda: json.dumps(login(f"r{n}.local"))), range(24)
        )
        assert list(stored) == [0] * 24
    assert len(json.loads(ask("list")[1])) == 24
    assert {path.name for path in (tmp_path / ".config/crs").iterdir()} == {"credentials.json", "credentials.lock"}


def test_the_environments_login_is_for_the_registries_it_names(ask: Ask) -> None:
    """X4: clients ask for every registry in the world."""
    given = {"CRS_LOGIN_REGISTRY": f"a.local, {HOST}", "CRS_LOGIN_USERNAME": "AK1", "CRS_LOGIN_PASSWORD": "from-env"}
    ask("store", login())
    assert json.loads(ask("get", HOST, **given)[1])["Secret"] == "from-env"
    assert json.loads(ask("get", HOST)[1])["Secret"] == "s3cret"
    assert ask("get", "https://index.docker.io/v1/", **given)[0] == 1
    del given["CRS_LOGIN_REGISTRY"]
    assert json.loads(ask("get", HOST, **given)[1])["Secret"] == "s3cret"


def test_it_starts_fast_because_it_loads_little() -> None:
    """Clients start it with every pull: nothing is loaded beside the standard library and its own four files."""
    code = (
        "import sys; before = set(sys.modules); "
        "import chalicelib.cli.credential_helper, chalicelib.cli.kubelet_provider; "
        "print(sorted(n for n in set(sys.modules) - before if n.partition('.')[0] not in sys.stdlib_module_names))"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = [name for name in json.loads(told.stdout.replace("'", '"')) if not name.startswith("_")]
    own = {"login_file", "login_sources", "workload_login", "credential_helper", "kubelet_provider"}
    assert set(loaded) <= {"chalicelib", "chalicelib.cli", *(f"chalicelib.cli.{name}" for name in own)}


@pytest.mark.parametrize("name", MODULES)
def test_what_other_machines_run_is_written_in_what_their_python_reads(name: str) -> None:
    """G3: 3.9 is the oldest that is looked after."""
    ast.parse((ROOT / f"chalicelib/cli/{name}.py").read_text(encoding="utf-8"), feature_version=(3, 9))


def test_the_program_of_one_file_needs_nothing_of_the_service(tmp_path: Path) -> None:
    """G3: on a machine where nothing but Python is."""
    written = CliRunner().invoke(crs, ["login-programs", str(tmp_path / "bin")])
    assert written.exit_code == 0, written.output
    program = tmp_path / "bin/docker-credential-crs"
    assert written.output.splitlines() == [str(program), str(tmp_path / "bin/crs-kubelet-credential-provider")]

    def run(action: str, sent: str) -> str:
        environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
        done = subprocess.run(
            [program, action], input=sent, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return done.stdout

    run("store", json.dumps(login()))
    assert json.loads(run("get", HOST)) == login()


def test_crs_itself_is_the_helper_too(tmp_path: Path) -> None:
    """G3"""
    environment = {"CRS_CREDENTIALS": str(tmp_path / "logins.json")}
    stored = CliRunner().invoke(crs, ["credential-helper", "store"], input=json.dumps(login()), env=environment)
    got = CliRunner().invoke(crs, ["credential-helper", "get"], input=HOST, env=environment)
    assert (stored.exit_code, got.exit_code, json.loads(got.output)) == (0, 0, login())
