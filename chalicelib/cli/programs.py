"""`crs credential-helper`, `crs kubelet-credential-provider`, and both as programs of one file for other machines."""

from __future__ import annotations

import sys
import zipapp
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import click

# What each needs of this package, beside the standard library: nothing else.
MODULES: Final = ("login_file", "login_sources", "workload_login", "credential_helper", "kubelet_provider")
PROGRAMS: Final = {
    "docker-credential-crs": "credential_helper",
    "crs-kubelet-credential-provider": "kubelet_provider",
}
_AS_GIVEN: Final = {"ignore_unknown_options": True, "help_option_names": []}


@click.command("credential-helper", context_settings=_AS_GIVEN)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def credential_helper(arguments: Sequence[str]) -> None:
    """Keep registry logins for docker, podman and others: get, store, erase, list. See docs/logins.md."""
    from .credential_helper import main

    sys.exit(main(arguments))


@click.command("kubelet-credential-provider", context_settings=_AS_GIVEN)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def kubelet_credential_provider(arguments: Sequence[str]) -> None:
    """Answer a kubelet's question for a login. See docs/kubernetes.md."""
    from .kubelet_provider import main

    sys.exit(main(arguments))


@click.command("login-programs")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def login_programs(folder: Path) -> None:
    """Write docker-credential-crs and crs-kubelet-credential-provider into FOLDER.

    Each is one file that needs Python 3.9 and nothing else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, module in PROGRAMS.items():
        write_program(folder / name, module)
        click.echo(folder / name)


def write_program(target: Path, module: str) -> None:
    """One file that runs a module of this package."""
    own = Path(__file__).parent
    with TemporaryDirectory() as held:
        package = Path(held) / "crs_logins"
        package.mkdir()
        (package / "__init__.py").write_text("")
        for one in MODULES:
            (package / f"{one}.py").write_text((own / f"{one}.py").read_text(encoding="utf-8"), encoding="utf-8")
        zipapp.create_archive(held, target, interpreter="/usr/bin/env python3", main=f"crs_logins.{module}:run")
    target.chmod(0o755)
