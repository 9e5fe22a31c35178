"""The gateway's image: built from the Dockerfile, run as on AWS against the engines that stand in for it."""

from __future__ import annotations

import hashlib
import json
import secrets
import tarfile
from base64 import b64encode
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from tests.clients.conftest import Shell
from tests.clients.container import BASE, IMAGE, Engine, wheels
from tests.host.test_child import wait_until
from tests.ports_aws.emulators import free_port
from tests.ports_aws.serving import PASSWORD, AwsService, opened_on_aws

pytestmark = pytest.mark.clients

# Larger than all that sockets hold, so that it is under way until the client takes the rest.
LAYER_BYTES = 64 * 1024 * 1024
# What the image adds to its base; the interpreter and the system are the base's.
MOST_BYTES = 100 * 1024 * 1024


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with TemporaryDirectory(prefix="crs-") as home:
        built = Engine(Shell(Path(home)))
        built.build(wheels(tmp_path_factory.mktemp("wheels")))
        yield built
        built.podman("system", "reset", "--force")


def test_the_image_is_small_and_runs_as_nobody(engine: Engine) -> None:
    configuration = engine.inspect()["Config"]
    assert configuration["User"] == "10001:10001"
    assert configuration["Entrypoint"] == ["python3", "-m", "chalicelib.cli"]
    assert configuration["StopSignal"] in ("SIGTERM", "15")
    assert "chalicelib.host.probe" in json.dumps(engine.inspect())
    assert engine.size_bytes(IMAGE) - engine.size_bytes(BASE) < MOST_BYTES


def test_nothing_in_the_image_installs_builds_or_tests(engine: Engine) -> None:
    names = ["pip", "setuptools", "inquirer", "yaml", "tests", "app", "pytest", "moto", "infra"]
    script = f"import importlib.util as u, shutil as s; print([n for n in {names} if u.find_spec(n)], s.which('cc'))"
    assert engine.python(script) == "[] None"


def test_the_console_in_the_image_speaks_its_languages(engine: Engine) -> None:
    """C1: what is left out of the packages is missed by none."""
    script = "from chalicelib.console.rendering import Shown; from chalicelib.console.texts import LANGUAGES, words; "
    script += "print([(s.number(1234.5), s.duration(180)) for s in (Shown(words(code)) for code in LANGUAGES)])"
    assert engine.python(script) == "[('1,234.5', '3 minutes'), ('1,234.5', '3分钟')]"


def test_a_push_and_a_pull_and_a_pull_under_way_when_the_container_is_told_to_end(
    engine: Engine, shell: Shell, tmp_path: Path
) -> None:
    """R8, N1: as on AWS: two listeners, a read-only file system, stores reached over the network, SIGTERM."""
    with opened_on_aws(tmp_path) as opened:
        internal = free_port()
        given = of_service(opened)
        given |= {"CRS_INTERNAL_PORT": str(internal), "CRS_DRAIN_S": "3", "CRS_END_WITHIN_S": "30"}
        with engine.running(given) as container:
            wait_until(lambda: status(f"{opened.url}/readyz") == 200, 60)
            assert engine.podman("exec", container, "python3", "-m", "chalicelib.host.probe") == ""
            layer = pushed_and_pulled(shell, opened.url, tmp_path)
            assert_streamed_and_linked(engine, opened, internal, layer)
            assert_drained(engine, container, opened, layer)


def of_service(opened: AwsService) -> dict[str, str]:
    """What a task definition would give. The configuration files of AWS's clients are not the image's."""
    files = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")
    named = {name: value for name, value in opened.environment.items() if name.startswith(("CRS_", "AWS_"))}
    return {name: value for name, value in named.items() if name not in files}


def pushed_and_pulled(shell: Shell, url: str, folder: Path) -> str:
    """crane pushes an image of one layer and pulls it again; answers the layer's digest."""
    host = url.partition("://")[2]
    image, name = shell.home / "image.tar", f"{host}/library/gateway:v1"
    (folder / "layer.bin").write_bytes(secrets.token_bytes(LAYER_BYTES))
    with tarfile.open(folder / "layer.tar", "w") as layer:
        layer.add(folder / "layer.bin", "layer.bin")
    shell.run("crane", "auth", "login", host, "-u", "admin", "--password-stdin", stdin=PASSWORD)
    shell.run("crane", "append", "--oci-empty-base", "-f", folder / "layer.tar", "-t", name)
    shell.run("crane", "pull", name, image)
    manifest = json.loads(shell.run("crane", "manifest", name))
    digest = str(manifest["layers"][0]["digest"])
    shell.run("crane", "validate", "--remote", name)
    return digest


def assert_streamed_and_linked(engine: Engine, opened: AwsService, internal: int, digest: str) -> None:
    """The public listener streams for an instance with an allowlist, the internal one gives a link to the store."""
    path = f"/v2/library/gateway/blobs/{digest}"
    login = httpx.BasicAuth("admin", PASSWORD)
    public = httpx.head(opened.url + path, auth=login, trust_env=False)
    assert (public.status_code, "location" in public.headers) == (200, False)
    # The image is the command line too: id, name, edition, state, bucket, address.
    listed = engine.run("instance", "list", options=("--rm",), variables=of_service(opened))
    host = listed.split()[-1]
    inside = httpx.get(f"http://127.0.0.1:{internal}{path}", headers={"host": host}, auth=login, trust_env=False)
    assert inside.status_code == 307
    assert httpx.get(inside.headers["location"], trust_env=False).headers["content-length"] != "0"


def assert_drained(engine: Engine, container: str, opened: AwsService, digest: str) -> None:
    """A pull and a push that began before SIGTERM come to their end after the last new request was taken."""
    login = httpx.BasicAuth("admin", PASSWORD)
    content = secrets.token_bytes(LAYER_BYTES // 8)
    push = begun_push(opened, content)
    with httpx.stream("GET", f"{opened.url}/v2/library/gateway/blobs/{digest}", auth=login, trust_env=False) as pull:
        pieces = pull.iter_raw()
        hashed = hashlib.sha256(next(pieces))
        engine.podman("kill", "--signal", "TERM", container)
        wait_until(lambda: status(f"{opened.url}/readyz") == 503)
        assert status(f"{opened.url}/v2/", auth=login) == 200
        wait_until(lambda: status(f"{opened.url}/healthz") == 0)
        push.send(content[len(content) // 2 :])
        assert push.getresponse().status == 201
        for piece in pieces:
            hashed.update(piece)
    assert f"sha256:{hashed.hexdigest()}" == digest
    assert engine.podman("wait", container) == "0"


def begun_push(opened: AwsService, content: bytes) -> HTTPConnection:
    """A blob of which half was sent."""
    connection = HTTPConnection(opened.url.partition("://")[2], timeout=60)
    digest = hashlib.sha256(content).hexdigest()
    connection.putrequest("POST", f"/v2/library/gateway/blobs/uploads/?digest=sha256:{digest}")
    connection.putheader("Authorization", "Basic " + b64encode(f"admin:{PASSWORD}".encode()).decode())
    connection.putheader("Content-Length", str(len(content)))
    connection.endheaders()
    connection.send(content[: len(content) // 2])
    return connection


def status(url: str, auth: httpx.BasicAuth | None = None) -> int:
    """0: nobody listens there."""
    try:
        return httpx.get(url, auth=auth, trust_env=False, timeout=20).status_code
    except httpx.TransportError:
        return 0
