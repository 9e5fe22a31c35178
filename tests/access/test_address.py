"""Which address a request came from: nothing a client can write decides it."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.edge.address import AddressPolicy, client_address, parse_address
from chalicelib.kernel.errors import AddressNotAllowed
from chalicelib.kernel.settings import Settings

PROXY = "192.0.2.1"

addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
header_text = st.text(alphabet=string.printable.replace("\n", "").replace("\r", ""), max_size=60)


def policy(proxies: str = PROXY, hops: int = 0) -> AddressPolicy:
    return AddressPolicy.of(Settings(trusted_proxies=proxies, trusted_hops=hops))


def forwarded(*lines: str) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"x"), *((b"x-forwarded-for", line.encode("latin-1")) for line in lines)]


@given(peer=addresses, lines=st.lists(header_text, max_size=3))
def test_without_trusted_proxies_the_header_means_nothing(peer: str, lines: list[str]) -> None:
    """G2"""
    assert client_address(peer, forwarded(*lines), policy("")) == client_address(peer, [], policy(""))


@given(lines=st.lists(header_text, min_size=1, max_size=3))
def test_a_peer_that_is_no_proxy_of_ours_cannot_speak_for_others(lines: list[str]) -> None:
    """G2"""
    assert client_address("198.51.100.7", forwarded(*lines), policy("192.0.2.0/24", 1)) == "198.51.100.7"


@given(
    forged=st.lists(header_text, max_size=3),
    client=addresses,
    own=st.lists(addresses, max_size=3),
    split=st.booleans(),
)
def test_what_stands_left_of_the_client_never_matters(
    forged: list[str], client: str, own: list[str], split: bool
) -> None:
    """G2: proxies append, so all that a client wrote is on the left, in lines of its own or in the same."""
    real = ", ".join([client, *own])
    lines = [*forged, real] if split else [", ".join([*forged, real])]
    told = client_address(PROXY, forwarded(*lines), policy(hops=len(own)))
    assert told == str(parse_address(client))


@given(entries=st.lists(addresses, max_size=2))
def test_a_header_shorter_than_our_own_proxies_is_refused(entries: list[str]) -> None:
    """G2: a request that took another way than the operator says."""
    with pytest.raises(AddressNotAllowed):
        client_address(PROXY, forwarded(", ".join(entries)), policy(hops=max(len(entries), 1)))


@given(text=st.text(max_size=90))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    """G2: nothing but a refusal comes of bad input."""
    try:
        told = client_address(text, [], policy(""))
    except AddressNotAllowed:
        return
    assert client_address(told, [], policy("")) == told


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:443", "203.0.113.9"),
        (" 203.0.113.9\t", "203.0.113.9"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("[::ffff:203.0.113.9]:80", "203.0.113.9"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_ports_and_mappings_are_taken_off(entry: str, told: str) -> None:
    """G2"""
    assert client_address(PROXY, forwarded("10.0.0.1, " + entry), policy()) == told


@pytest.mark.parametrize(
    "entry",
    ["", " ", "unknown", "_hidden", "010.0.0.1", "10.0.0.1.", "10.0.0.1:x", "10.0.0.256", "10.1", "\u00b2.0.0.1",
     "10.0.0.1\n", "[10.0.0.1", "for=10.0.0.1", "1" * 5000],
)  # fmt: skip
def test_what_does_not_parse_is_refused(entry: str) -> None:
    """G2: fails closed."""
    with pytest.raises(AddressNotAllowed):
        client_address(PROXY, forwarded("10.0.0.1, " + entry), policy())


@pytest.mark.parametrize("peer", [None, "", "unix:", "testclient"])
def test_a_peer_without_an_address_is_refused(peer: str | None) -> None:
    """G2"""
    with pytest.raises(AddressNotAllowed):
        client_address(peer, forwarded("127.0.0.1"), policy())


def test_a_proxy_seen_through_a_mapped_address_is_the_same_proxy() -> None:
    """G2"""
    assert client_address(f"::ffff:{PROXY}", forwarded("203.0.113.9"), policy()) == "203.0.113.9"
    assert client_address(PROXY, forwarded("203.0.113.9"), policy("::ffff:192.0.2.0/120")) == "203.0.113.9"


@pytest.mark.parametrize("proxies", ["10.0.0.1/8", "proxy.example", "10.0.0.0/33", "1.2.3.4;5.6.7.8"])
def test_malformed_proxies_stop_the_start(proxies: str) -> None:
    with pytest.raises(ValueError):
        policy(proxies)
