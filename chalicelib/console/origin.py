"""Whether a change was asked for by one of our own pages (CSRF).

Browsers say so themselves in `Sec-Fetch-Site`; those that do not still send `Origin` with every POST. Who sends
neither is no browser of these years, and is refused. Source: OWASP, "Cross-Site Request Forgery Prevention".
"""

from __future__ import annotations

from typing import Final

from chalicelib.edge.address import AddressPolicy, parse_address
from chalicelib.edge.asgi import Visit
from chalicelib.kernel.errors import AddressNotAllowed, Invalid

_SCHEMES: Final = frozenset({"http", "https"})


def own_origin(visit: Visit, proxies: AddressPolicy, *, tls: bool) -> str:
    """`https://host`, as the browser called us: by our own TLS, or by what a trusted proxy says. Raises Invalid."""
    if not visit.host:
        raise Invalid("Host", "is not a host's name")
    return f"{'https' if tls or _said_by_proxy(visit, proxies) == 'https' else 'http'}://{visit.host}"


def forged(visit: Visit, own: str) -> bool:
    """Whether something else than a page of this very origin sent it, or nobody can tell."""
    site = visit.text(b"sec-fetch-site")
    origin = visit.text(b"origin")
    if site:
        return site != "same-origin"
    return not origin or origin.lower() != own.lower()


def _said_by_proxy(visit: Visit, proxies: AddressPolicy) -> str:
    try:
        trusted = bool(proxies.proxies) and proxies.trusts(parse_address(visit.peer or ""))
    except AddressNotAllowed:
        trusted = False
    said = visit.text(b"x-forwarded-proto").rpartition(",")[2].strip().lower() if trusted else ""
    return said if said in _SCHEMES else ""
