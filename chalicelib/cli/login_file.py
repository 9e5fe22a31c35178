"""A file of registry logins that its owner alone may read: what `docker login` keeps, and what machines are given.

    {"registries": {"registry.example.com:5000": {"username": "deploy", "secret": "crsp_…"}}}

`~/.config/crs/credentials.json`, or what CRS_CREDENTIALS names. Only the standard library is used here, and nothing of
the service's: clients start this with every pull, and it also runs where the service is not installed.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

# A file of thousands of logins is smaller.
_LONGEST_BYTES = 4 * 1024 * 1024


class LoginsUnreadable(Exception):
    """What is there is not such a file, or others may read it."""


class Login(NamedTuple):
    username: str
    secret: str


def place_of(environment: Mapping[str, str]) -> Path:
    if environment.get("CRS_CREDENTIALS"):
        return Path(environment["CRS_CREDENTIALS"])
    home = environment.get("XDG_CONFIG_HOME") or str(Path(environment.get("HOME") or "/root") / ".config")
    return Path(home) / "crs" / "credentials.json"


def registry_of(server: str) -> str:
    """The registry's host, with port and path if there are any, however a client writes its address."""
    return server.strip().partition("://")[2].rstrip("/") if "://" in server else server.strip().rstrip("/")


class LoginFile:
    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, registry: str) -> Login | None:
        """The login for a registry, or for what is before the last slashes of it. Raises LoginsUnreadable."""
        known, wanted = self.all(), registry_of(registry)
        while wanted:
            if wanted in known:
                return known[wanted]
            wanted = wanted.rpartition("/")[0]
        return None

    def all(self) -> dict[str, Login]:
        """Raises LoginsUnreadable."""
        return {name: Login(one["username"], one["secret"]) for name, one in self._read().items()}

    def store(self, registry: str, login: Login) -> None:
        """Raises LoginsUnreadable, OSError."""
        with self._changing() as logins:
            logins[registry_of(registry)] = login._asdict()

    def erase(self, registry: str) -> None:
        """Nothing happens where there is none. Raises LoginsUnreadable, OSError."""
        if registry_of(registry) in self._read():
            with self._changing() as logins:
                logins.pop(registry_of(registry), None)

    def _read(self) -> dict[str, Any]:
        try:
            with self._path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                if mode & 0o077:
                    raise LoginsUnreadable(f"others may read {self._path}; chmod 600 it, and change what is in it")
                document = json.loads(file.read(_LONGEST_BYTES))
            found = document["registries"]
            well_formed = all(isinstance(one["username"] + one["secret"], str) for one in found.values())
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as malformed:
            raise LoginsUnreadable(f"{self._path} is not a file of logins") from malformed
        if not well_formed:
            raise LoginsUnreadable(f"{self._path} is not a file of logins")
        return dict(found)

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        """The logins, which are written as they are left, by one process after another."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with locked(self._path.with_suffix(".lock")):
            logins = self._read()
            yield logins
            write_whole(self._path, json.dumps({"registries": logins}, indent=2) + "\n")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time. The lock goes with its process, however that ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_whole(path: Path, text: str) -> None:
    """For the owner's eyes alone, and never half of it: what is read is the old text or the new one."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp makes it 0600.
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
