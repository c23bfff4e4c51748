"""Who may reach the endpoint at all, and how often: addresses and a rate."""

from __future__ import annotations

import time
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bridge.settings import ReceiverSettings

EGRESS: Mapping[str, str] = {
    "dc-01": "52.6.248.125",
    "dc-02": "18.195.110.23",
    "dc-03": "3.6.251.95",
    "dc-04": "18.217.73.1",
    "dc-05": "18.143.35.151",
    "dc-06": "43.218.197.196",
}
"""Where MoEngage's Streams and Partner Exports come from, by data centre (MoEngage docs, IP whitelisting; they may change)."""
PRESET = "moengage"


class Admission:
    """Decides by the caller's address and by the rate of requests; knows nothing of credentials."""

    def __init__(
        self,
        *,
        networks: Iterable[IPv4Network | IPv6Network] = (),
        proxies: int = 0,
        requests_per_second: float = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._networks = tuple(networks)
        self._proxies = proxies
        self._rate = requests_per_second
        self._burst = max(1.0, requests_per_second)
        self._tokens = self._burst
        self._clock = clock
        self._at = clock()

    @classmethod
    def of(cls, settings: ReceiverSettings) -> Admission:
        """As the settings say."""
        return cls(
            networks=networks(settings.allow_from),
            proxies=settings.trusted_proxies,
            requests_per_second=settings.requests_per_second,
        )

    def allows(self, peer: str | None, forwarded_for: str | None) -> bool:
        """Whether the address may post: the peer's, or what the last trusted proxy says of it (X-Forwarded-For)."""
        if not self._networks:
            return True
        text = peer or ""
        if self._proxies:
            # Each proxy appends whom it saw: what stands further left is the client's own word.
            seen = [part.strip() for part in (forwarded_for or "").split(",")]
            text = seen[-self._proxies] if len(seen) >= self._proxies else ""
        try:
            address = ip_address(text)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)

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


def networks(names: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    """Networks by address, CIDR, data centre (``dc-03``) or ``moengage`` for all of them; raises ``ValueError``."""
    found: list[IPv4Network | IPv6Network] = []
    for name in names:
        lower = name.lower()
        texts = EGRESS.values() if lower == PRESET else (EGRESS.get(lower, name),)
        found.extend(ip_network(text, strict=False) for text in texts)
    return tuple(found)
