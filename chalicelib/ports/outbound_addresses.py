"""Where calls to strangers' servers may go: what a URL may be, which addresses are called, how names are looked up.

A name that has a private address beside a public one is refused whole.
"""

from __future__ import annotations

import queue
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

import httpx

from chalicelib.kernel.errors import Invalid, Unavailable

# Of a registry's upload session, whose state some keep in its address; of a user's webhook it is less.
LONGEST_ADDRESS: Final = 8192
# Of the addresses of one name; enough where one family has no way out.
_MOST_TRIED: Final = 3
# Addresses of IPv6 that lead to one of IPv4: NAT64 (RFC 6052, RFC 8215), 6to4, Teredo.
_TRANSLATED: Final = tuple(ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))
# Beside the link-local ones, where Amazon, Google, Alibaba and Oracle answer their machines.
_CREDENTIALS: Final = tuple(
    ip_network(text) for text in ("fd00:ec2::/32", "fd20:ce::254/128", "100.100.100.200/32", "192.0.0.192/32")
)
_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,253}|[0-9a-f:.]{2,45}", re.ASCII)

Resolve = Callable[[str, int], Iterable[str]]


class Addresses:
    """Which of them may be called.

    allow_private   those of private networks too, and plain HTTP
    resolve         host and port → every address of it
    """

    def __init__(self, *, allow_private: bool, resolve: Resolve | None) -> None:
        self._allow_private = allow_private
        self._resolve = resolve or _look_up

    def vet_url(self, url: str, longest: int) -> httpx.URL:
        """Raises Invalid naming `url`: what is no https address, and an address of a private network."""
        printable = url.isascii() and url.isprintable() and 0 < len(url) <= longest
        try:
            parsed = httpx.URL(url if printable else "")
        except httpx.InvalidURL as malformed:
            raise Invalid("url", "is not a web address") from malformed
        return self.vet(parsed, longest)

    def vet(self, parsed: httpx.URL, longest: int) -> httpx.URL:
        """Of what was parsed already. Raises as `vet_url`."""
        if len(parsed.raw_path) > longest:
            raise Invalid("url", "is not a web address")
        schemes = ("https", "http") if self._allow_private else ("https",)
        possible = parsed.scheme in schemes and _HOST.fullmatch(parsed.host) and 0 < port_of(parsed) <= 65535
        if not possible or parsed.userinfo or parsed.fragment:
            raise Invalid("url", "must be an https address, without a user name")
        try:
            literal = ip_address(parsed.host)
        except ValueError:
            return parsed
        self._vet_address(literal)
        return parsed

    def vetted(self, host: str, port: int, deadline: float) -> list[str]:
        """Addresses of the host to be tried, after all that it has were vetted. deadline: on `time.monotonic`."""
        texts = _in_time(lambda: list(self._resolve(host, port)), deadline, host)
        addresses = [ip_address(text.partition("%")[0]) for text in texts]
        if not addresses:
            raise Unavailable(f"{host} has no address", retry_after_s=60)
        for address in addresses:
            self._vet_address(address)
        return [str(address) for address in addresses[:_MOST_TRIED]]

    def _vet_address(self, address: IPv4Address | IPv6Address) -> None:
        if not may_call(address, allow_private=self._allow_private):
            raise Invalid("url", "leads into a private network, where calls are not allowed")


def may_call(address: IPv4Address | IPv6Address, *, allow_private: bool) -> bool:
    """Link-local addresses, and others where clouds keep their machines' credentials, are never called, whatever is
    allowed."""
    never = address.is_link_local or address.is_multicast or address.is_unspecified
    never = never or any(address in network for network in _CREDENTIALS)
    translated = address.version == 6 and (
        address.ipv4_mapped is not None or any(address in network for network in _TRANSLATED)
    )
    if never or translated:
        return False
    old_private = isinstance(address, IPv6Address) and address.is_site_local
    return allow_private or (address.is_global and not address.is_reserved and not old_private)


def port_of(url: httpx.URL) -> int:
    return url.port if url.port is not None else (443 if url.scheme == "https" else 80)


def _look_up(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


def _in_time(look_up: Callable[[], list[str]], deadline: float, host: str) -> list[str]:
    """The system's resolver knows no deadline: it is left behind in a thread of its own if it does not answer."""
    answers: queue.SimpleQueue[list[str]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put(look_up())
        except (OSError, UnicodeError):
            answers.put([])

    threading.Thread(target=run, daemon=True, name="look-up").start()
    try:
        return answers.get(timeout=max(0.0, deadline - time.monotonic()))
    except queue.Empty:
        raise Unavailable(f"the address of {host} was not found in time", retry_after_s=60) from None
