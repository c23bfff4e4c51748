"""The token source against the emulator's IMS over loopback HTTP, on a clock of the test's."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from bridge.destinations.http.oauth import NoToken, Pauses, Token, TokenSource
from bridge.emulators.adobe import Emulator
from bridge.settings import OauthSettings
from bridge.telemetry.metrics import Metrics


class Clock:
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


@pytest.fixture
async def emulator():
    """An emulator for one test."""
    async with Emulator() as running:
        yield running


@pytest.fixture
def clock():
    """The test's clock."""
    return Clock()


def granted(emulator):
    """How many tokens were given out."""
    return emulator.received.token_requests["200"]


async def replaced(tokens, old):
    """Whether another token is handed out within five seconds."""
    for _ in range(500):
        if await tokens.token() is not old:
            return True
        await asyncio.sleep(0.01)
    return False


async def test_many_lanes_share_one_request(emulator, clock):
    """Fifty lanes that need the first token cause one request, and all get the same."""
    async with source(emulator, clock) as tokens:
        got = await asyncio.gather(*(tokens.token() for _ in range(50)))
        assert all(token is got[0] for token in got)
        assert isinstance(got[0], Token)
        assert granted(emulator) == 1
        assert tokens.asked("ok") == 1


async def test_renewed_ahead_of_expiry_without_a_wait(emulator, clock):
    """Near the end of its life the old token is still handed out while one new one is fetched."""
    emulator.control(token_ttl=1_000)
    async with source(emulator, clock) as tokens:
        first = await tokens.token()
        clock.now += 899
        assert await tokens.token() is first
        assert granted(emulator) == 1
        clock.now += 2
        assert await tokens.token() is first
        assert await tokens.token() is first
        assert await replaced(tokens, first)
        assert granted(emulator) == 2


async def test_dead_token_is_never_handed_out(emulator, clock):
    """After its life the request waits for a new one."""
    emulator.control(token_ttl=1_000)
    async with source(emulator, clock) as tokens:
        first = await tokens.token()
        clock.now += 999
        second = await tokens.token()
        assert isinstance(second, Token)
        assert second is not first


async def test_forced_renewal_is_shared(emulator, clock):
    """Lanes whose requests with one token are refused cause one renewal, also when one comes late."""
    async with source(emulator, clock) as tokens:
        first = await tokens.token()
        renewed = await asyncio.gather(*(tokens.renew(first) for _ in range(20)))
        assert all(token is renewed[0] for token in renewed)
        assert renewed[0] is not first
        assert await tokens.renew(first) is renewed[0]
        assert granted(emulator) == 2


async def test_tokens_refused_again_and_again_are_renewed_ever_less_often(emulator, clock):
    """A missing permission does not make the bridge mint tokens without end; a success resets the patience."""
    async with source(emulator, clock) as tokens:
        for _ in range(100):
            token = await tokens.token()
            await tokens.renew(token)
            clock.now += 1
        assert granted(emulator) <= 10
        tokens.confirm()
        before = granted(emulator)
        await tokens.renew(await tokens.token())
        assert granted(emulator) == before + 1


async def test_second_secret_is_tried_and_then_preferred(emulator, clock):
    """While rotating, the other secret takes over without a pause."""
    emulator.control(secrets=["new-secret"])
    async with source(emulator, clock, client_secret="old-secret,new-secret") as tokens:
        first = await tokens.token()
        assert isinstance(first, Token)
        assert emulator.received.token_requests == {"401": 1, "200": 1}
        await tokens.renew(first)
        assert emulator.received.token_requests == {"401": 1, "200": 2}


async def test_changed_secret_file_is_taken(emulator, clock, tmp_path):
    """The file is read again when its secrets are refused."""
    file = tmp_path / "ims"
    file.write_text(emulator.client_secret)
    async with source(emulator, clock, client_secret_file=file) as tokens:
        first = await tokens.token()
        emulator.control(secrets=["rotated"])
        file.write_text("rotated")
        assert isinstance(await tokens.renew(first), Token)
        assert emulator.received.token_requests == {"200": 2, "401": 1}


async def test_refused_credentials_hold_and_recover(emulator, clock):
    """The reason says what to check and holds no secret; IMS is not asked at once again; it recovers by itself."""
    emulator.control(secrets=["other"])
    async with source(emulator, clock, client_secret="mistyped") as tokens:
        refused = await tokens.token()
        assert isinstance(refused, NoToken)
        assert "invalid_client" in refused.reason
        assert "BRIDGE_OAUTH__CLIENT_SECRET" in refused.reason
        assert "mistyped" not in refused.reason
        assert tokens.asked("refused") == 1
        for _ in range(50):
            assert await tokens.token() == refused
        assert emulator.received.token_requests["401"] == 1
        emulator.control(secrets=["mistyped"])
        clock.now += 60
        assert isinstance(await tokens.token(), Token)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_ims_blip_is_bridged(emulator, clock, status):
    """Two failures in a row are retried with pauses before anybody hears of them."""
    emulator.control(ims={"status": status, "count": 2})
    async with source(emulator, clock) as tokens:
        assert isinstance(await tokens.token(), Token)
        assert clock.slept == [0.5, 1.0]
        assert tokens.asked("unavailable") == 2


async def test_ims_retry_after_is_kept(emulator, clock):
    """IMS that names a pause is not asked before it is over."""
    emulator.control(ims={"status": 429, "retry_after": 90, "count": 1})
    async with source(emulator, clock) as tokens:
        assert isinstance(await tokens.token(), NoToken)
        clock.now += 89
        assert isinstance(await tokens.token(), NoToken)
        clock.now += 2
        assert isinstance(await tokens.token(), Token)


async def test_an_absurd_pause_of_ims_is_not_kept(emulator, clock):
    """Ten minutes at most: a wrong header must not keep events waiting for an hour."""
    emulator.control(ims={"status": 503, "retry_after": 1_000_000, "count": 1})
    async with source(emulator, clock) as tokens:
        assert isinstance(await tokens.token(), NoToken)
        clock.now += 599
        assert isinstance(await tokens.token(), NoToken)
        clock.now += 2
        assert isinstance(await tokens.token(), Token)


async def test_ims_away_and_back(clock):
    """Nothing listens: a reason, no exception; back again: a token."""
    emulator = Emulator()
    await emulator.start()
    await emulator.stop()
    async with source(emulator, clock) as tokens:
        away = await tokens.token()
        assert isinstance(away, NoToken)
        assert "IMS cannot be reached" in away.reason
        await emulator.start()
        try:
            clock.now += 60
            assert isinstance(await tokens.token(), Token)
        finally:
            await emulator.stop()


@pytest.mark.parametrize("seconds", [10, 60, 600])
async def test_the_return_of_ims_is_seen_within_five_seconds(emulator, clock, seconds):
    """However long it was away while no token lived; it is asked once every few seconds meanwhile, after one hiccup's retries."""
    emulator.control(ims={"status": 503})
    async with source(emulator, clock) as tokens:
        began = clock.now
        while clock.now - began < seconds:
            assert isinstance(await tokens.token(), NoToken)
            clock.now += 0.25
        asked = emulator.received.token_requests["503"]
        assert asked <= 3 + seconds / 3, "not hammered"
        emulator.control(ims=None)
        back = clock.now
        while isinstance(await tokens.token(), NoToken):
            clock.now += 0.25
        assert clock.now - back <= 5.0


async def test_an_ims_that_hangs_is_asked_again_at_once(clock):
    """It has been waited for already: the pause counts from the begin of an attempt."""

    async def hang(reader, writer):
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/ims/token/v3"
        settings = OauthSettings(token_url=url, client_id="id", client_secret="secret")
        pauses = Pauses(timeout=0.05, quick=())
        tokens = TokenSource(settings, Metrics(), pauses=pauses, clock=clock, sleep=clock.sleep)
        try:
            for _ in range(3):
                waiting = asyncio.create_task(tokens.token())
                await asyncio.sleep(0.01)
                clock.now += 10
                assert "IMS cannot be reached" in (await waiting).reason
            assert tokens._failures == 3
        finally:
            await tokens.aclose()


async def test_a_refused_secret_is_asked_about_once_a_minute_at_most(emulator, clock):
    """In the long run: a secret that is wrong stays wrong, and IMS locks out who hammers."""
    emulator.control(secrets=["other"])
    async with source(emulator, clock, client_secret="mistyped") as tokens:
        for _ in range(4 * 3_600):
            await tokens.token()
            clock.now += 0.25
        assert emulator.received.token_requests["401"] <= 6 + 3_600 / 45


async def test_ahead_of_expiry_ims_is_asked_about_once_a_minute(emulator, clock):
    """While a token lives nobody waits; when it has died the pause is the short one at once."""
    emulator.control(token_ttl=20_000)
    async with source(emulator, clock) as tokens:
        first = await tokens.token()
        emulator.control(ims={"status": 503})
        clock.now += 18_001
        for _ in range(1_000):
            assert await tokens.token() is first
            if tokens._renewal is not None:
                await asyncio.wait([tokens._renewal])
            clock.now += 1
        assert emulator.received.token_requests["503"] <= 3 + 6 + 1_000 / 45
        clock.now = first.dead_at + 60
        before = emulator.received.token_requests["503"]
        for _ in range(60):
            assert isinstance(await tokens.token(), NoToken)
            clock.now += 1
        assert emulator.received.token_requests["503"] - before >= 60 / 6


async def test_a_lasting_want_of_tokens_is_logged_once_a_minute(emulator, clock):
    """At once when it begins, and when the reason is another; asked far more often."""
    emulator.control(ims={"status": 503})
    async with source(emulator, clock) as tokens:
        with capture_logs() as logs:
            for _ in range(300):
                await tokens.token()
                clock.now += 1
            emulator.control(ims={"status": 500})
            for _ in range(10):
                await tokens.token()
                clock.now += 1
    told = [line["reason"] for line in logs if line["event"] == "token_unavailable"]
    assert 5 <= len([reason for reason in told if "503" in reason]) <= 6
    assert len([reason for reason in told if "500" in reason]) == 1


async def test_an_unexpected_error_while_ims_is_asked_is_told_and_is_no_hot_loop(emulator, clock, monkeypatch):
    """Ahead of expiry nobody waits for the answer, and nobody would hear of it."""

    async def broken(*_args, **_more):
        raise RuntimeError("a defect")

    async with source(emulator, clock) as tokens:
        monkeypatch.setattr("bridge.destinations.http.oauth.post", broken)
        with capture_logs() as logs:
            found = await tokens.token()
            assert await tokens.token() is found
    assert "unexpected RuntimeError while IMS was asked" in found.reason
    assert [line["event"] for line in logs] == ["token_unavailable"]


async def test_living_token_outlasts_an_ims_outage(emulator, clock):
    """IMS down near expiry: the old token serves until it dies, and is replaced as soon as IMS is back."""
    emulator.control(token_ttl=10_000)
    async with source(emulator, clock) as tokens:
        first = await tokens.token()
        emulator.control(ims={"status": 503})
        clock.now += 9_100
        for _ in range(20):
            assert await tokens.token() is first
            await asyncio.sleep(0.005)
        emulator.control(ims=None)
        clock.now += 60
        assert await replaced(tokens, first)


async def test_cancelled_lane_does_not_take_the_token_away(emulator, clock):
    """A lane that gives up while the token is fetched leaves the others their token."""
    async with source(emulator, clock) as tokens:
        lanes = [asyncio.create_task(tokens.token()) for _ in range(3)]
        await asyncio.sleep(0)
        lanes[0].cancel()
        got = await asyncio.gather(*lanes, return_exceptions=True)
        assert isinstance(got[0], asyncio.CancelledError)
        assert isinstance(got[1], Token)
        assert got[1] is got[2]
        assert granted(emulator) == 1
        assert "Bearer" not in repr(got[1])
