"""The client of the platform APIs against a server that is busy, or that quotes what it was asked with."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import orjson
import pytest

from bridge.adobe.client import PAUSES, PlatformClient
from bridge.adobe.refusals import PlatformError
from bridge.settings import Settings
from bridge.telemetry.metrics import Metrics

TOKEN = "a-token-of-no-known-form"


@asynccontextmanager
async def client_of(*answers):
    """A client whose requests get these answers (status, headers, document), and the pauses that it makes."""
    left, pauses = list(answers), []

    async def serve(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        status, headers, document = left.pop(0)
        if head.startswith(b"POST /token"):
            left.insert(0, (status, headers, document))
            status, headers, document = 200, {}, {"access_token": TOKEN, "expires_in": 86_399}
        body = orjson.dumps(document)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{lines}Connection: close\r\n\r\n".encode())
        writer.write(body)
        await writer.drain()
        writer.close()

    async def sleep(seconds):
        pauses.append(seconds)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    settings = Settings(
        aep={"platform_url": url, "org_id": "org@AdobeOrg"},
        oauth={"token_url": f"{url}/token", "client_id": "client", "client_secret": "its-secret"},
    )
    async with server, PlatformClient(settings, Metrics(), sleep=sleep) as client:
        yield client, pauses


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        ("7", 7.0, 7.0),
        ("0", PAUSES[0], PAUSES[0]),
        ("nan", PAUSES[0], PAUSES[0]),
        ("soon", PAUSES[0], PAUSES[0]),
        ("1000000", 60.0, 60.0),
        (timedelta(hours=1), 60.0, 60.0),
        (timedelta(hours=-1), PAUSES[0], PAUSES[0]),
    ],
)
async def test_a_busy_service_is_asked_again_when_it_says(asked, least, most):
    """Seconds or a date, within reason; what cannot be read, and no pause at all, is the usual pause."""
    if isinstance(asked, timedelta):
        asked = format_datetime(datetime.now(UTC) + asked)
    busy = (429, {"Retry-After": asked}, {})
    async with client_of(busy, (200, {}, {"taken": True})) as (client, pauses):
        assert (await client.get("/x")).document == {"taken": True}
    (paused,) = pauses
    assert least <= paused <= most


async def test_an_echoed_token_is_in_no_words():
    """What the service quotes of the token is on no screen and in no log."""
    async with client_of((400, {}, {"message": f"the token {TOKEN} lacks a scope", "error_code": "400"})) as (
        client,
        _,
    ):
        with pytest.raises(PlatformError, match="lacks a scope") as failure:
            await client.get("/x")
    assert TOKEN not in f"{failure.value} {failure.value.hint}"
