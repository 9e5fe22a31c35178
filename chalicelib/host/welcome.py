"""What the operator reads once the service answers: where it is, who may log in, what to type first."""

from __future__ import annotations

from ipaddress import ip_address

from chalicelib.instances.places import DEFAULT_ACCOUNT
from chalicelib.instances.service import Instances
from chalicelib.kernel.settings import Settings
from chalicelib.ports.stack import Stack

from .first_start import NAMESPACE, USERNAME, FirstStart


def welcome(stack: Stack, start: FirstStart) -> str:
    settings = stack.settings
    address = _address(settings)
    url = f"{'https' if settings.tls else 'http'}://{address}"
    insecure = "" if settings.tls else " --tls-verify=false"
    lines = [
        "",
        f"The registry answers at {url}",
        f"  instance   {_instance(stack, start)}",
        f"  data       {settings.data.resolve()}",
        f"  user       {USERNAME}",
        f"  password   {_password(start)}",
        f"  console    {url}/console/, where you sign in with account {DEFAULT_ACCOUNT}, this user and this password",
        f"  API        {url}/api/v1, to read and to try at {url}/api/v1/docs",
        "",
        "Open the console and it tells what comes next. Or at once:",
        f"  docker login {address} -u {USERNAME}",
        f"  docker tag alpine:latest {address}/{NAMESPACE}/alpine:latest",
        f"  docker push {address}/{NAMESPACE}/alpine:latest",
        f"  skopeo list-tags{insecure} docker://{address}/{NAMESPACE}/alpine",
    ]
    if not _loopback(settings.host):
        lines += [
            "",
            "Until its allowlist says more, the instance answers clients of this machine (127.0.0.1) only;",
            "docs/credentials.md tells how to let others in.",
        ]
    return "\n".join([*lines, ""])


def _instance(stack: Stack, start: FirstStart) -> str:
    if start.held is None:
        return "the one of the first start was deleted; open others through the API, each has an address of its own"
    return f"{start.held.name} ({start.held.id}), also {Instances(stack).public_address(start.held)}"


def _password(start: FirstStart) -> str:
    if start.password_file is None:
        return "as CRS_ADMIN_PASSWORD said at the first start"
    kept = f"kept in {start.password_file}"
    return f"{start.password_file.read_text().strip()}  ({kept})" if start.fresh else kept


def _address(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{host}:{settings.port}"


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
