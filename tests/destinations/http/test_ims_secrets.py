"""What happens when IMS refuses our credentials: which secret is tried, when is IMS asked again, and what is said?"""

from __future__ import annotations

import asyncio
import itertools
import time

from token_scene import source

from bridge.destinations.http.oauth import NoToken, Token


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


async def test_a_changed_secret_file_ends_the_pause(emulator, clock, tmp_path):
    """While IMS is left alone after a refusal, a file with another secret is tried with the next request, with that secret only; all lanes wait for it."""
    file = tmp_path / "ims"
    file.write_text("revoked")
    emulator.control(secrets=["rotated"])
    async with source(emulator, clock, client_secret_file=file) as tokens:
        for _ in range(10):
            assert isinstance(await tokens.token(), NoToken)
        assert emulator.received.token_requests == {"401": 1}
        file.write_text("rotated")
        found = await asyncio.gather(*(tokens.token() for _ in range(16)))
        assert all(isinstance(each, Token) for each in found)
        assert emulator.received.token_requests == {"401": 1, "200": 1}


async def test_a_slow_look_into_the_secret_file_costs_no_second_token(emulator, clock, tmp_path, monkeypatch):
    """Several requests look into the changed file at once, and some are answered only after the first has its token."""
    file = tmp_path / "ims"
    file.write_text("revoked")
    emulator.control(secrets=["rotated"])
    async with source(emulator, clock, client_secret_file=file) as tokens:
        assert isinstance(await tokens.token(), NoToken)
        file.write_text("rotated")
        looks, look = itertools.count(), tokens._secrets.reload

        def slow():
            found, late = look(), next(looks) > 0
            if late:
                time.sleep(0.5)
            return found

        monkeypatch.setattr(tokens._secrets, "reload", slow)
        found = await asyncio.gather(*(tokens.token() for _ in range(4)))
        assert len(set(found)) == 1
        assert emulator.received.token_requests == {"401": 1, "200": 1}


async def test_a_changed_secret_file_is_no_reason_to_press_ims(emulator, clock, tmp_path):
    """IMS that is away is asked again when it said, whatever the file holds."""
    file = tmp_path / "ims"
    file.write_text(emulator.client_secret)
    emulator.control(ims={"status": 503, "count": 100, "retry_after": "100"})
    async with source(emulator, clock, client_secret_file=file) as tokens:
        assert isinstance(await tokens.token(), NoToken)
        file.write_text("another")
        clock.now += 50
        assert isinstance(await tokens.token(), NoToken)
        assert emulator.received.token_requests == {"503": 1}


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


async def test_a_refused_secret_is_asked_about_once_a_minute_at_most(emulator, clock):
    """In the long run: a secret that is wrong stays wrong, and IMS locks out who hammers."""
    emulator.control(secrets=["other"])
    async with source(emulator, clock, client_secret="mistyped") as tokens:
        for _ in range(4 * 3_600):
            await tokens.token()
            clock.now += 0.25
        assert emulator.received.token_requests["401"] <= 6 + 3_600 / 45
