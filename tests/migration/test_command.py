"""`crs migrate`, from one service on loopback to another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chalicelib.cli.commands import crs
from chalicelib.kernel.names import RepositoryName
from chalicelib.migration.documents import Document
from chalicelib.migration.files import Entrances, read_entrances, read_rules
from chalicelib.migration.registries import Registries
from chalicelib.migration.running import Result as Ended
from chalicelib.migration.running import Run
from chalicelib.ports.outbound import Outbound
from tests.copying.served import LOGIN, House, house
from tests.copying.shops import Shop
from tests.stacks import make_namespace


@pytest.fixture
def here(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path / "here") as opened:
        yield opened


@pytest.fixture
def there(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path / "there") as opened:
        yield opened


def host(of: House) -> str:
    return f"127.0.0.1:{of.server.address[1]}"


def shop(of: House, name: str) -> Shop:
    return Shop(of.stack, of.instance, RepositoryName(name))


class Mover:
    """The command with its files."""

    def __init__(self, folder: Path, *houses: House) -> None:
        self.folder = folder
        self.logins: dict[str, Any] = {host(one): self.login() for one in houses}

    def login(self, password: str = "${SECRET}") -> dict[str, str]:
        return {"username": LOGIN.username, "password": password}

    def run(self, images: dict[str, Any], *options: str) -> Result:
        (self.folder / "auth.json").write_text(json.dumps(self.logins) + " // both")
        (self.folder / "images.yaml").write_text("\n".join(f"{key}: {json.dumps(images[key])}" for key in images))
        files = ["--auth", str(self.folder / "auth.json"), "--images", str(self.folder / "images.yaml")]
        more = ["--report", str(self.folder / "report.json"), "--log", str(self.folder / "log")]
        return CliRunner().invoke(crs, ["migrate", *files, *more, *options], env={"SECRET": LOGIN.password})

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        return found

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "log").read_text().splitlines()]


@pytest.fixture
def mover(tmp_path: Path, here: House, there: House) -> Mover:
    return Mover(tmp_path, here, there)


def test_what_the_files_say_is_brought_and_logged(mover: Mover, here: House, there: House) -> None:
    """K2: tag lists under new names, expressions, digests, one to many."""
    source = shop(here, "library/app")
    digests = {tag: source.push(tag, layers=(b"base" * 30_000, tag.encode())) for tag in ("v1", "v2", "x1")}
    multi = source.push_index("multi", b"amd64", b"arm64")
    images = {
        f"{host(here)}/library/app:v1,v2": f"{host(there)}/shelf/app:one,two",
        f"{host(here)}/library/app:/^x/": [f"{host(there)}/shelf/app", f"{host(there)}/library/more"],
        f"{host(here)}/library/app@{multi}": f"{host(there)}/shelf/multi",
    }
    result = mover.run(images)
    assert (result.exit_code, mover.report["verdicts"]) == (0, {"copied": 5}), result.output
    assert shop(there, "shelf/app").digest("two") == digests["v2"]
    assert shop(there, "library/more").layers("x1") == [b"base" * 30_000, b"x1"]
    assert json.loads(shop(there, "shelf/multi").body(multi))["manifests"]
    logged = {one["target"].partition("/")[2]: one for one in mover.log}
    assert logged["shelf/app:one"]["source"] == f"{host(here)}/library/app:v1"
    assert logged["shelf/app:one"]["digest"] == digests["v1"]
    assert set(logged["shelf/app:one"]) >= {"verdict", "bytes_moved", "bytes_skipped", "seconds"}


def test_a_second_run_moves_nothing(mover: Mover, here: House, there: House) -> None:
    """K2"""
    for tag in ("v1", "v2"):
        shop(here, "library/app").push(tag, layers=(b"base" * 30_000, tag.encode()))
    images = {f"{host(here)}/library/app": f"{host(there)}/shelf/app"}
    assert mover.run(images).exit_code == 0
    assert mover.report["bytes_moved"] > 0
    again = mover.run(images)
    assert again.output.splitlines()[-1].startswith("2 unchanged; 0 B moved")
    assert (mover.report["bytes_moved"], mover.report["images"]) == (0, 2)


def test_a_tag_that_moved_since_is_moved_too(mover: Mover, here: House, there: House) -> None:
    """K2"""
    images = {f"{host(here)}/library/app": f"{host(there)}/shelf/app"}
    shop(here, "library/app").push("v1", layers=(b"old",))
    mover.run(images)
    shop(here, "library/app").push("v1", layers=(b"new",))
    assert mover.run(images).exit_code == 0
    assert shop(there, "shelf/app").layers("v1") == [b"new"]


def test_signatures_go_along(mover: Mover, here: House, there: House) -> None:
    """K2"""
    source = shop(here, "library/app")
    signature = source.sign(source.push("v1"))
    mover.run({f"{host(here)}/library/app": f"{host(there)}/shelf/app"})
    assert shop(there, "shelf/app").referrers(source.digest("v1")) == [signature]


def test_layers_that_images_share_are_sent_once(mover: Mover, here: House, there: House) -> None:
    """K2: by one of those that need it, then mounted in other repositories."""
    base = b"base" * 100_000
    for name in ("library/a", "library/b"):
        for tag in range(6):
            shop(here, name).push(f"v{tag}", layers=(base, f"{name}{tag}".encode()))
    images = {f"{host(here)}/library/{name}": f"{host(there)}/shelf/{name}" for name in ("a", "b")}
    assert mover.run(images, "--proc", "1").exit_code == 0
    assert len(base) < mover.report["bytes_moved"] < 1.1 * len(base)
    assert shop(there, "shelf/b").layers("v5")[0] == base
    for name in ("a", "b"):
        images[f"{host(here)}/library/{name}"] = f"{host(there)}/library/{name}"
    assert mover.run(images, "--proc", "8").exit_code == 0
    assert mover.report["bytes_moved"] < 2.1 * len(base)


def test_what_fails_is_told_with_what_to_do_and_stops_nothing(mover: Mover, here: House, there: House) -> None:
    """K2: a namespace that is missing, a quota, a name that is nobody's."""
    shop(here, "library/app").push("v1")
    shop(here, "library/other").push("v1")
    make_namespace(there.stack, there.instance, "strict", auto_create_repository=False)
    images = {
        f"{host(here)}/library/app": [f"{host(there)}/shelf/app", f"{host(there)}/missing/app"],
        f"{host(here)}/library/other": f"{host(there)}/strict/app",
        f"{host(here)}/library/nobody": f"{host(there)}/shelf/nobody",
        f"{host(here)}/library/app:v9": f"{host(there)}/shelf/app",
    }
    result = mover.run(images, "--retries", "0")
    assert result.exit_code == 1
    assert mover.report["verdicts"] == {"copied": 1, "failed": 4}
    told = {one["target"].partition("/")[2] or one["source"]: one for one in mover.report["failed"]}
    assert "there is no namespace missing; create it first" in told["missing/app:v1"]["message"]
    assert "does not exist and its namespace makes none on push" in told["strict/app:v1"]["message"]
    assert told["shelf/app:v9"]["reason"] == "not_found"
    assert told[f"{host(here)}/library/nobody"]["advice"]


def test_a_wrong_login_is_asked_once_and_the_rest_arrives(mover: Mover, here: House, there: House) -> None:
    """K2"""
    for tag in range(10):
        shop(here, "library/app").push(f"v{tag}")
    mover.logins[f"{host(there)}/shelf"] = mover.login("wrong-horse-battery")
    images = {
        f"{host(here)}/library/app": f"{host(there)}/shelf/app",
        f"{host(here)}/library/app:v1": f"{host(there)}/library/app",
    }
    result = mover.run(images, "--retries", "0", "--proc", "1")
    assert result.exit_code == 1
    assert mover.report["verdicts"] == {"copied": 1, "failed": 10}
    assert {one["reason"] for one in mover.report["failed"]} == {"login_refused"}
    assert "check its entry in the auth file" in result.output


def test_mistakes_in_both_files_are_told_at_once(mover: Mover) -> None:
    """K2"""
    mover.logins = {"a.example": {"username": "x"}}
    result = mover.run({"a.example/x": "b.example/UPPER", "a.example/y": "nowhere/y"})
    assert result.exit_code == 2
    for told in ("auth.json, line 1, 'a.example'", "images.yaml, line 1, 'a.example/x'"):
        assert told in result.output


def test_a_destination_has_to_name_its_registry(mover: Mover) -> None:
    """K2: outside of a service nobody knows which one is meant."""
    result = mover.run({"nginx": "library/nginx"})
    assert result.exit_code == 2
    assert "names no registry" in result.output


def test_the_older_single_file_is_read_too(mover: Mover, here: House, there: House, tmp_path: Path) -> None:
    """K2"""
    shop(here, "library/app").push("v1")
    images = {f"{host(here)}/library/app": f"{host(there)}/shelf/app"}
    config = tmp_path / "config.json"
    config.write_text(
        json.dumps({"auth": {name: mover.login(LOGIN.password) for name in mover.logins}, "images": images})
    )
    result = CliRunner().invoke(crs, ["migrate", "--config", str(config)])
    assert result.exit_code == 0, result.output
    assert CliRunner().invoke(crs, ["migrate"]).exit_code == 2
    assert CliRunner().invoke(crs, ["migrate", "--config", str(config), "--images", str(config)]).exit_code == 2


def test_stopped_it_begins_nothing_more_and_goes_on_the_next_time(here: House, there: House) -> None:
    """K2"""
    for tag in range(8):
        shop(here, "library/app").push(f"v{tag}", layers=(b"l%d" % tag,))
    logins = {host(one): {"username": LOGIN.username, "password": LOGIN.password} for one in (here, there)}
    entrances: Entrances = read_entrances(Document(logins, "auth"), None)
    rules = read_rules(Document({f"{host(here)}/library/app": f"{host(there)}/shelf/app"}, "images"), None)
    told: list[Ended] = []

    def once() -> Run:
        def tell(result: Ended) -> None:
            told.append(result)
            if len(told) == 3:
                run.stop()

        run = Run(Registries(entrances, calls, lambda _: None), proc=1, retries=2, tell=tell, rest=lambda _: None)
        run.run(rules)
        return run

    with Outbound(allow_private=True).keeping() as calls:
        assert once().stopped
        arrived = [one for one in told if one.outcome.verdict == "copied"]
        assert 3 <= len(arrived) < 8
        told.clear()
        told += [arrived[0]] * 3
        assert not once().stopped
    verdicts = [one.outcome.verdict for one in told[3:]]
    assert verdicts.count("unchanged") == len(arrived)
    assert verdicts.count("copied") == 8 - len(arrived)


def test_what_failed_in_passing_is_tried_again_at_the_end(here: House, there: House) -> None:
    """K2: an image that comes while the others are brought."""
    shop(here, "library/app").push("v1")
    logins = {host(one): {"username": LOGIN.username, "password": LOGIN.password} for one in (here, there)}
    rules = {
        f"{host(here)}/library/app:v1": f"{host(there)}/shelf/app",
        f"{host(here)}/library/app:late": f"{host(there)}/shelf/app",
    }
    told: list[Ended] = []

    def rest(_seconds: float) -> None:
        assert [one.outcome.verdict for one in told] == ["copied"]
        shop(here, "library/app").push("late")

    with Outbound(allow_private=True).keeping() as calls:
        registries = Registries(read_entrances(Document(logins, "auth"), None), calls, lambda _: None)
        run = Run(registries, proc=2, retries=1, tell=told.append, rest=rest)
        run.run(read_rules(Document(rules, "images"), None))
    assert [one.outcome.verdict for one in told] == ["copied", "copied"]
