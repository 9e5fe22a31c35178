"""What the README's commands come down to, on a free port and a folder of its own."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.house.project import ROOT
from tests.serving import Service, serving

EMPTY_CONFIG = b"{}"


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
        page = re.search(r"http://\S+/docs", said)
        assert page is not None
        assert httpx.get(page[0], trust_env=False).headers["content-type"].startswith("text/html")
        assert service.stop() == 0


# In continuous integration a tool that is missing fails.
@pytest.mark.skipif(not (shutil.which("curl") or os.environ.get("CI")), reason="the README's commands use curl")
def test_commands_by_which_the_readme_uses_the_api_do_what_it_says(tmp_path: Path) -> None:
    """In a folder where `data` is the service's, as after `make run` and the README's push."""
    with serving(tmp_path / "data") as service:
        (tmp_path / "data/secrets/admin-password").write_text(service.password)
        push_image(service, "library/alpine", "latest")
        shown = [readme_commands(heading) for heading in ("Control it by API", "Have it scanned")]
        commands = "\n".join(shown).replace("127.0.0.1:5000", service.host)
        assert service.host in commands
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands.replace("curl ", "curl --noproxy '*' -w '\\n' ")],
            cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        repositories, tags, namespace, task, library, scan = (json.loads(line) for line in done.stdout.splitlines())
        assert [each["full_name"] for each in repositories["items"]] == ["library/alpine"]
        assert [each["tag"] for each in tags["items"]] == ["latest"]
        assert namespace["name"] == "team"
        assert (task["kind"], library["scan_on_push"], scan["digest"]) == ("scan", True, tags["items"][0]["digest"])


@pytest.mark.skipif(not (shutil.which("curl") or os.environ.get("CI")), reason="the pages' commands use curl")
def test_commands_of_the_pages_work_where_the_readme_left_off(tmp_path: Path) -> None:
    """P1, P3, P5, X1, X5: every request that the pages show is answered as it should be."""
    with serving(tmp_path / "data") as service:
        (tmp_path / "data/secrets/admin-password").write_text(service.password)
        push_image(service, "library/app", "v1")
        signing_in = readme_commands("Control it by API").partition("curl -sS -H")[0]
        delete = 'curl -sS -X DELETE -H "$auth" "$api/instances/default/namespaces/library/repositories/app/tags/v1"'
        shown = [page_commands(page) for page in ("recycle-bin", "retention", "immutability", "webhooks")]
        commands = "\n".join([signing_in, delete, *shown]).replace("127.0.0.1:5000", service.host)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands.replace("curl ", "curl --fail --noproxy '*' -w '\n' ")],
            cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        deleted, entry, restored, kept, unmatched, run, items, rule, webhook = (
            json.loads(line) for line in done.stdout.splitlines()
        )
        assert [each["tag"] for each in deleted["tags"]] == entry["tags"] == restored["tags"] == ["v1"]
        assert (kept["keep_last"], [each["tag"] for each in unmatched["items"]]) == (5, ["v1"])
        assert (run["dry_run"], items["next"]) == (True, None)
        assert (rule["tags"], webhook["secret"][:6]) == ("{v*,latest}", "whsec_")


def readme_commands(heading: str) -> str:
    section = (ROOT / "README.md").read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return "\n".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL))


def page_commands(page: str) -> str:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / f"docs/{page}.md").read_text(), re.DOTALL)
    return "\n".join(block for block in blocks if "$api" in block)


def push_image(service: Service, name: str, tag: str) -> None:
    digest = f"sha256:{hashlib.sha256(EMPTY_CONFIG).hexdigest()}"
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": len(EMPTY_CONFIG)}
    media_type = "application/vnd.oci.image.manifest.v1+json"
    manifest = json.dumps({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": []})
    with httpx.Client(base_url=f"{service.url}/v2/{name}/", auth=service.login, trust_env=False) as client:
        blob = client.post("blobs/uploads/", params={"digest": digest}, content=EMPTY_CONFIG)
        assert blob.status_code == 201, blob.text
        pushed = client.put(f"manifests/{tag}", headers={"Content-Type": media_type}, content=manifest)
        assert pushed.status_code == 201, pushed.text
