"""A token source against the emulator's IMS over loopback HTTP, on a clock that passes when a test says so."""

from __future__ import annotations

from contextlib import asynccontextmanager

from bridge.destinations.http.oauth import Pauses, TokenSource
from bridge.settings import OauthSettings
from bridge.telemetry.metrics import Metrics


class TokenClock:
    """Seconds that pass when the test says so."""

    def __init__(self):
        self.now = 1_000.0
        self.slept = []

    def __call__(self):
        """Now."""
        return self.now

    async def sleep(self, seconds):
        """Pass the time at once, and note it."""
        self.slept.append(seconds)
        self.now += seconds


@asynccontextmanager
async def source(emulator, clock, **settings):
    """A token source for this emulator on the test's clock."""
    metrics = Metrics()
    values = {
        "token_url": emulator.token_url,
        "client_id": emulator.client_id,
        "client_secret": emulator.client_secret,
    } | settings
    tokens = TokenSource(OauthSettings(**values), metrics, pauses=Pauses(timeout=2.0), clock=clock, sleep=clock.sleep)
    tokens.asked = lambda result: metrics.registry.get_sample_value("bridge_token_refreshes_total", {"result": result})
    try:
        yield tokens
    finally:
        await tokens.aclose()


def granted(emulator):
    """How many tokens were given out."""
    return emulator.received.token_requests["200"]
