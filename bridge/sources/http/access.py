"""Who may reach the endpoint at all, and how often: addresses, a rate, and connections by address."""

from __future__ import annotations

import time
from collections import Counter
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

from bridge.settings.moengage_addresses import EGRESS, PRESET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bridge.settings import ReceiverSettings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NEIGHBOURS = 64
"""Bits of an IPv6 address that one customer of a provider has; he may use any address below them."""


_MAPPED_BITS = 96
"""Bits of an IPv6 address before those of the IPv4 address that is mapped into it."""


class Admission:
    """Decides by the caller's address and by the rate of requests; knows nothing of credentials.

    ``proxies`` says whose X-Forwarded-For is believed: a number of proxies that every request passes, or their networks.
    """

    def __init__(
        self,
        *,
        networks: Iterable[Network] = (),
        proxies: int | Iterable[Network] = 0,
        requests_per_second: float = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._networks = tuple(networks)
        self._passed = proxies if isinstance(proxies, int) else 0
        self._trusted = () if isinstance(proxies, int) else tuple(proxies)
        self._rate = requests_per_second
        self._burst = max(1.0, requests_per_second)
        self._tokens = self._burst
        self._clock = clock
        self._at = clock()

    @classmethod
    def of(cls, settings: ReceiverSettings) -> Admission:
        """As the settings say."""
        proxies = settings.trusted_proxies
        return cls(
            networks=networks(settings.allow_from),
            proxies=proxies if isinstance(proxies, int) else networks(proxies),
            requests_per_second=settings.requests_per_second,
        )

    def client(self, peer: str | None, forwarded_for: str | None) -> Address | None:
        """Who asks: the peer, or whom the outermost trusted proxy saw (X-Forwarded-For); None where that is no address."""
        nearest = address_of(peer or "")
        if not self._passed and not self._trusted:
            return nearest
        # Each proxy appends whom it saw: what stands further left is the client's own word.
        seen = [part for part in (forwarded_for or "").split(",") if part.strip()]
        if self._passed:
            return address_of(seen[-self._passed]) if len(seen) >= self._passed else None
        while nearest is not None and seen and _within(nearest, self._trusted):
            nearest = address_of(seen.pop())
        return nearest

    def allows(self, peer: str | None, forwarded_for: str | None) -> bool:
        """Whether the address may post."""
        if not self._networks:
            return True
        address = self.client(peer, forwarded_for)
        return address is not None and _within(address, self._networks)

    def is_proxy(self, peer: str | None) -> bool:
        """Whether many clients come from this address, since it is a proxy's."""
        if self._passed:
            return True
        address = address_of(peer or "")
        return address is not None and _within(address, self._trusted)

    def wait_seconds(self) -> float:
        """0 when a request may go on now (and it is counted), else after how many seconds one might."""
        if not self._rate:
            return 0.0
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._rate


class Places:
    """Connections that one address holds open, ``most`` of them (0: any number); proxies are not bounded."""

    def __init__(self, most: int, admission: Admission) -> None:
        self._most = most
        self._admission = admission
        self._taken: Counter[object] = Counter()

    def acquire(self, peer: str | None) -> object | None:
        """A place for a connection from there, to be given back by :meth:`release`; None when it has too many."""
        if not self._most or self._admission.is_proxy(peer):
            return ""
        address = address_of(peer or "")
        holder: object = address if address is not None else peer
        if isinstance(address, IPv6Address):
            holder = ip_network((address, _NEIGHBOURS), strict=False)
        if self._taken[holder] >= self._most:
            return None
        self._taken[holder] += 1
        return holder

    def release(self, place: object) -> None:
        """The connection is closed."""
        if place in self._taken:
            self._taken[place] -= 1
            if not self._taken[place]:
                del self._taken[place]


def address_of(text: str) -> Address | None:
    """The address in a hop of X-Forwarded-For: with or without port, brackets, quotes, zone; None where there is none."""
    text = text.strip().strip('"').strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    # Eight groups leave no doubt that what follows is a port; with :: nobody can tell.
    for candidate in (text, text.rpartition(":")[0]):
        try:
            address = ip_address(candidate.partition("%")[0])
        except ValueError:
            continue
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            return address.ipv4_mapped
        return address
    return None


def networks(names: Iterable[str]) -> tuple[Network, ...]:
    """Networks by address, CIDR, data centre (``dc-03``) or ``moengage`` for all of them; raises ``ValueError``."""
    found: list[Network] = []
    for name in names:
        lower = name.lower()
        texts = EGRESS.values() if lower == PRESET else (EGRESS.get(lower, name),)
        found.extend(_plain(ip_network(text, strict=False)) for text in texts)
    return tuple(found)


def _plain(network: Network) -> Network:
    """A network of IPv4 addresses written as IPv6 (``::ffff:10.0.0.0/104``) as what it is, since callers' addresses are."""
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is None or network.prefixlen < _MAPPED_BITS:
        return network
    return IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))


def _within(address: Address, networks_: Iterable[Network]) -> bool:
    return any(address in network for network in networks_)
