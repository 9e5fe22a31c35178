"""What the README's first command comes down to, on a free port and a folder of its own."""

from __future__ import annotations

import re
from pathlib import Path

import httpx

from tests.house.project import ROOT
from tests.serving import serving


def test_make_run_starts_what_this_test_starts() -> None:
    makefile = (ROOT / "Makefile").read_text()
    recipe = re.search(r"^run:.*\n\t(.+)$", makefile, re.MULTILINE)
    assert recipe is not None
    assert recipe[1].endswith("$(BIN)/python -m chalicelib.cli serve")


def test_service_starts_tells_how_to_log_in_and_ends_when_asked(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as service:
        assert httpx.get(f"{service.url}/readyz", trust_env=False).status_code == 200
        assert httpx.get(f"{service.url}/v2/", auth=service.login, trust_env=False).status_code == 200
        said = service.log.read_text()
        assert f"docker login {service.host} -u {service.username}" in said
        assert service.password not in said
        assert service.stop() == 0
