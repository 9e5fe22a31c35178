"""Pure decisions about allowlists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_network

from chalicelib.edge.address import parse_network
from chalicelib.kernel.errors import Invalid

from .models import Entry


@dataclass(frozen=True, slots=True)
class Networks:
    """Entries made ready: per IP version, each mask with the networks under it. At most 33 and 129 masks to try."""

    everybody: bool
    by_version: dict[int, tuple[tuple[int, frozenset[int]], ...]]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Networks:
        found: dict[int, dict[int, set[int]]] = {4: {}, 6: {}}
        empty = True
        for entry in entries:
            empty = False
            version, mask, network = parse_network(entry.cidr)
            found[version].setdefault(mask, set()).add(network)
        ready = {
            version: tuple((mask, frozenset(networks)) for mask, networks in masks.items())
            for version, masks in found.items()
        }
        return cls(empty, ready)

    def holds(self, address: IPv4Address | IPv6Address) -> bool:
        value = int(address)
        return any(value & mask in networks for mask, networks in self.by_version[address.version])


def parse_cidr(text: str) -> str:
    """A network in its shortest spelling; an address alone is a network of one. Raises Invalid, naming `cidr`."""
    bare = text.strip()
    try:
        version, mask, value = parse_network(bare)
    except ValueError:
        try:
            meant = str(ip_network(bare, strict=False))
        except ValueError as malformed:
            message = "an entry is an IPv4 or IPv6 network, such as 192.0.2.0/24 or 2001:db8::/32"
            raise Invalid("cidr", message) from malformed
        raise Invalid("cidr", f"{bare} has bits set after its prefix; write {meant}") from None
    prefix = mask.bit_count()
    address = IPv4Address(value) if version == 4 else IPv6Address(value)
    return f"{address}/{prefix}"


def by_network(entry: Entry) -> tuple[int, int, int]:
    """IPv4 before IPv6, and as numbers."""
    network = ip_network(entry.cidr)
    return network.version, int(network.network_address), network.prefixlen


def by_age(entry: Entry) -> str:
    """Ids say when they were made."""
    return entry.id
