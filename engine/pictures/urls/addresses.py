"""Addresses of hosts: how they are looked up in time, and which of them are not the internet's."""

from __future__ import annotations

import socket
import threading
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

# Family and address, as `socket` takes them; the first part of an address is the numeric host.
Found = tuple[int, Any]
# Where networks translate to IPv4 (RFC 6052); the last 32 bits are that address.
_TRANSLATED = ip_network("64:ff9b::/96")
# What releases of Python do not agree on, or take for the internet: protocols' own addresses, the
# former 6to4 relays, translation within a network, discarding, Teredo and ORCHID beside others,
# documentation, segment routing, and site-local addresses (IANA's registries of special purposes).
_SPECIAL = tuple(
    map(
        ip_network,
        (
            *("192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64"),
            *("2001::/23", "3fff::/20", "5f00::/16", "fec0::/10"),
        ),
    )
)


def look_up(host: str, port: int, seconds: float) -> list[Found]:
    """Return the addresses of a host.

    Raises
    ------
    OSError
        It has none, or finding them takes longer than `seconds`.
    """
    answers: list[list[Found] | Exception] = []

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.append([(each[0], each[4]) for each in found])
        except (OSError, ValueError) as error:
            answers.append(error)

    # Looking up a host's name has no time-out of its own, hence the thread.
    asker = threading.Thread(target=ask, name="look-up", daemon=True)
    asker.start()
    asker.join(seconds)
    if not answers:
        raise TimeoutError(f"looking up {host} took longer than {seconds:.3g} s")
    answer = answers[0]
    if isinstance(answer, Exception):
        raise answer
    return answer


def internal_address(text: str) -> bool:
    """Say whether a numeric address is not one of the public internet.

    Such are those of this machine, of local and provider-internal networks, of groups of machines,
    and those kept for other uses; also where an IPv6 address stands for one of IPv4.
    """
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped or address in _TRANSLATED:
            address = IPv4Address(int(address) & 0xFFFFFFFF)
        else:
            tunnels = [address.sixtofour, *(address.teredo or ())]
            if any(_is_internal(each) for each in tunnels if each is not None):
                return True
    return _is_internal(address)


def _is_internal(address: IPv4Address | IPv6Address) -> bool:
    return (
        not address.is_global
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
        or any(address in network for network in _SPECIAL)
    )
