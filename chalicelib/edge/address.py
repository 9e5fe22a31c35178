"""Which address a request came from. Nothing a client can write decides it (DESIGN §7).

X-Forwarded-For:  whatever the client sent …, client, our proxy, our proxy      peer: our proxy
                                              ▲       └─ trusted_hops = 2 ─┘
                                              the answer
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from chalicelib.kernel.errors import AddressNotAllowed
from chalicelib.kernel.settings import Settings

Network = tuple[int, int, int]  # IP version, mask, network under that mask

_WITH_PORT = re.compile(r"\[([^\]]*)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}", re.ASCII)
# The longest text that can be an address with brackets, zone and port.
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Whose `X-Forwarded-For` is believed, and how many entries from its right are our own proxies'."""

    proxies: tuple[Network, ...] = ()
    hops: int = 0

    @classmethod
    def of(cls, settings: Settings) -> AddressPolicy:
        """Raises ValueError if CRS_TRUSTED_PROXIES holds anything but addresses and networks."""
        texts = filter(None, (part.strip() for part in settings.trusted_proxies.split(",")))
        return cls(tuple(parse_network(text) for text in texts), settings.trusted_hops)

    def trusts(self, address: IPv4Address | IPv6Address) -> bool:
        value = int(address)
        return any(version == address.version and value & mask == net for version, mask, net in self.proxies)


def parse_network(text: str) -> Network:
    """Raises ValueError, also where bits are set after the prefix. Mapped IPv4 is taken for the IPv4 it is."""
    if "%" in text:
        raise ValueError("a network has no zone")
    network = ip_network(text)
    if network.version == 6 and network.prefixlen >= 96:
        inner = unmapped(network.network_address)
        if inner.version == 4:
            network = ip_network(f"{inner}/{network.prefixlen - 96}")
    return network.version, int(network.netmask), int(network.network_address)


def unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """`::ffff:10.0.0.1` is 10.0.0.1; a zone such as `%eth0` says nothing about who it is."""
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Address(int(address))


@lru_cache(maxsize=4096)
def parse_address(text: str) -> IPv4Address | IPv6Address:
    """One address, with or without a port. Raises AddressNotAllowed on whatever does not parse: checks fail closed."""
    stripped = text.strip(" \t")
    if len(stripped) <= _LONGEST:
        with_port = _WITH_PORT.fullmatch(stripped)
        bare = (with_port.group(1) or with_port.group(2) or "") if with_port else stripped
        try:
            return unmapped(ip_address(bare))
        except ValueError:
            pass
    raise AddressNotAllowed(stripped[:_LONGEST] or "unknown")


def client_address(peer: str | None, headers: Iterable[tuple[bytes, bytes]], policy: AddressPolicy) -> str:
    """The address the request came from, in its shortest spelling.

    peer      the socket's other end, None if there is none
    headers   as ASGI has them, names in lower case
    Raises AddressNotAllowed where it cannot be told.
    """
    direct = parse_address(peer or "")
    if not policy.proxies or not policy.trusts(direct):
        return _text(direct)
    forwarded = b",".join(value for name, value in headers if name == b"x-forwarded-for")
    entries = forwarded.split(b",")
    if not forwarded.strip() or len(entries) <= policy.hops:
        raise AddressNotAllowed("unknown")
    return _text(parse_address(entries[-1 - policy.hops].decode("latin-1")))


@lru_cache(maxsize=4096)
def _text(address: IPv4Address | IPv6Address) -> str:
    return str(address)
