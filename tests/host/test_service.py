"""The embedded service as a whole, started as its users start it."""

from __future__ import annotations

import json
import os
import signal
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chalicelib.kernel.settings import Settings
from chalicelib.ports import keys
from chalicelib.ports.stack import open_stack
from tests.host.test_child import is_alive, wait_until
from tests.serving import Service, free_port, process_tree, serving

TAGS = 100_000
CLOCK_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class SecureService(Service):
    """The same over TLS."""

    @property
    def url(self) -> str:
        return f"https://{self.host}"

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.environment["CRS_TLS_CERT"])

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", verify=self.trust, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


def certificate(folder: Path) -> dict[str, str]:
    """A self-signed certificate for 127.0.0.1, as the settings name it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem, pkcs8, open_ = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, pkcs8, open_))
    return {"CRS_TLS_CERT": str(folder / "cert.pem"), "CRS_TLS_KEY": str(folder / "key.pem")}


def test_tls_is_spoken_on_every_port(tmp_path: Path) -> None:
    """R8."""
    internal = free_port()
    environment = {**certificate(tmp_path), "CRS_INTERNAL_PORT": str(internal), "CRS_END_WITHIN_S": "1"}
    service = SecureService(tmp_path / "data", free_port(), environment=environment)
    service.start()
    idle = httpx.Client(verify=service.trust, trust_env=False)
    try:
        assert idle.get(f"{service.url}/healthz").status_code == 200
        for url in (service.url, f"https://127.0.0.1:{internal}"):
            answer = httpx.get(f"{url}/v2/", auth=service.login, verify=service.trust, trust_env=False)
            assert answer.status_code == 200
            assert "server" not in answer.headers
    finally:
        assert service.stop() == 0  # a connection that idles does not hold up the end
        idle.close()


def test_killed_service_starts_again_and_leaves_no_process_behind(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as service:
        assert service.process is not None
        wait_until(lambda: service.process is not None and len(process_tree(service.process.pid)) == 2)
        gateway, consumers = process_tree(service.process.pid)
        os.kill(gateway, signal.SIGKILL)  # the gateway alone: its consumers notice by themselves
        service.process.wait()
        wait_until(lambda: not is_alive(consumers))
        service.start()
        assert httpx.get(f"{service.url}/v2/", auth=service.login, trust_env=False).status_code == 200
        assert service.run_cli("fsck") == "clean\n"


@pytest.mark.campaign
def test_start_does_not_depend_on_how_much_is_stored(tmp_path: Path) -> None:
    """Restart in under 3 s with 100 000 tags: counted in processor time, so that a busy machine fails nobody."""
    repository = "01J00000000000000000000001"
    with open_stack(Settings(data=tmp_path / "data")) as stack:
        stack.table.put_many(
            [{**keys.tag(repository, f"t{n}")._asdict(), "digest": "sha256:0"} for n in range(TAGS)], relaxed=True
        )
    with serving(tmp_path / "data") as service:
        assert service.process is not None
        assert processor_seconds(service.process.pid) < 3


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * CLOCK_TICK_S


def test_what_the_server_itself_logs_is_json_too(tmp_path: Path) -> None:
    """As podman and skopeo do with `--tls-verify=false`: TLS first, on a plain port."""
    with serving(tmp_path / "data") as service:
        before = len(service.log.read_text())
        with pytest.raises(httpx.TransportError):
            httpx.get(f"https://{service.host}/v2/", trust_env=False)
        wait_until(lambda: "Invalid HTTP request" in service.log.read_text())
        logged = [json.loads(line) for line in service.log.read_text()[before:].splitlines()]
    assert [line["level"] for line in logged if "Invalid HTTP request" in line["message"]] == ["WARNING"]


def test_missing_tls_file_ends_the_start_with_one_line(tmp_path: Path) -> None:
    environment = {**certificate(tmp_path), "CRS_TLS_KEY": str(tmp_path / "missing.pem")}
    service = Service(tmp_path / "data", free_port(), environment=environment)
    with pytest.raises(RuntimeError, match="there is no file"):
        service.start()
    assert "Traceback" not in service.log.read_text()
