"""The recipes of docs/webhooks.md, run: they verify what is sent, and know what is forged (X5)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chalicelib.notifications.signing import signature

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "webhooks.md").read_text()
# The vector that implementations of Standard Webhooks are tested with.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE, SECONDS, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
OTHER = "whsec_" + "A" * 43 + "="
BOTH = signature([OTHER, SECRET], MESSAGE, SECONDS, BODY)


def recipe(language: str, holding: str) -> str:
    (found,) = [code for code in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if holding in code]
    return str(found)


def in_python(given: str, body: bytes, late_s: int = 0) -> bool:
    names: dict[str, Any] = {}
    exec(recipe("python", "def verify"), names)  # noqa: S102
    verify: Callable[..., bool] = names["verify"]
    headers = {"webhook-id": MESSAGE, "webhook-timestamp": str(SECONDS), "webhook-signature": given}
    return verify(SECRET, headers, body, now=SECONDS + late_s)


def in_shell(given: str, body: bytes, folder: Path) -> bool:
    (folder / "body").write_bytes(body)
    known = {"id": MESSAGE, "timestamp": str(SECONDS), "signature": given, "secret": SECRET}
    script = recipe("sh", "openssl")
    done = subprocess.run(
        ["sh", "-c", script], cwd=folder, env={**os.environ, **known}, capture_output=True, text=True, check=True
    )
    return done.stdout == "genuine\n"


def test_signatures_are_those_of_standard_webhooks() -> None:
    """X5"""
    assert signature([SECRET], MESSAGE, SECONDS, BODY) == SIGNATURE
    assert BOTH.split(" ")[1] == SIGNATURE


@pytest.mark.parametrize("given", [SIGNATURE, BOTH], ids=["one", "two"])
def test_the_recipe_in_python_takes_what_is_genuine_and_nothing_else(given: str) -> None:
    """X5"""
    assert in_python(given, BODY)
    assert not in_python(given, BODY + b" ")
    assert not in_python(given, BODY, late_s=301)
    assert not in_python(given.replace("+O", "-O"), BODY)


@pytest.mark.skipif(not (shutil.which("openssl") or os.environ.get("CI")), reason="the recipe uses openssl")
@pytest.mark.parametrize("given", [SIGNATURE, BOTH], ids=["one", "two"])
def test_the_recipe_for_a_shell_takes_what_is_genuine_and_nothing_else(given: str, tmp_path: Path) -> None:
    """X5"""
    assert in_shell(given, BODY, tmp_path)
    assert not in_shell(given, BODY + b" ", tmp_path)
    assert not in_shell(given.replace("+O", "-O"), BODY, tmp_path)
