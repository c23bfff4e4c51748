"""One bounded HTTP exchange: httpx on aiohttp's transport, every failure a value.

aiohttp's transport costs a fifth of the CPU of httpx's own. Bounded means in time as a whole (httpx and aiohttp
only bound each read, so that a server dripping bytes could hold a request for ever) and in the size of the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import re
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from httpx_aiohttp import HttpxAiohttpClient

from bridge import __version__
from bridge.destinations.http.reasons import tidy

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

CONNECT_SECONDS = 10.0
_OWN_HEADERS = {"User-Agent": f"moengage-aep-bridge/{__version__}", "Accept": "application/json"}
_LOOPBACK: dict[str, httpx.AsyncBaseTransport | None] = {
    f"all://{host}": None for host in ("127.0.0.1", "localhost", "[::1]")
}
"""Never through a proxy, whatever the environment says of others."""

_NO_HTTP = re.compile(r"^\d+, message=['\"]([A-Za-z][A-Za-z0-9 -]*)")
"""aiohttp's words for an answer that it cannot parse; they go on with the bytes that came."""
_BEHIND_HOST = re.compile(r"(https?://[^/\s'\",]+)[^\s'\",]*")
"""A URL, whose path holds what nobody else should know: an inlet's id lets anyone write to it."""

_NOTHING = httpx.ByteStream(b"")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came; ``headers`` finds names in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a large document: a number of bytes from ``start`` on."""

    start: int
    length: int


@dataclass(frozen=True, slots=True)
class NoReply:
    """No (whole) answer: ``kind`` is fit for a metric label: ``timeout``, ``connection`` or ``answer``."""

    kind: str
    reason: str


def open_client(*, connections: int, timeout_seconds: float) -> httpx.AsyncClient:
    """A client that keeps ``connections`` open. Proxies and CA files come from the usual variables of the system."""
    client: httpx.AsyncClient = HttpxAiohttpClient(
        timeout=httpx.Timeout(timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds)),
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=30.0),
        headers=_OWN_HEADERS,
        mounts=_LOOPBACK,
        verify=_trusted(),
    )
    return client


def _trusted() -> ssl.SSLContext:
    """By whom a server's certificate may be signed, as httpx finds it: ``SSL_CERT_FILE``, ``SSL_CERT_DIR`` or certifi's list."""
    file, changed = os.environ.get("SSL_CERT_FILE", ""), 0
    if file:
        with contextlib.suppress(OSError):
            changed = Path(file).stat().st_mtime_ns
    return _trusting(file, os.environ.get("SSL_CERT_DIR", ""), changed)


@functools.lru_cache(maxsize=2)
def _trusting(_file: str, _folder: str, _changed: int) -> ssl.SSLContext:
    """Read once, and again when the file has changed: it takes 16 ms of processor time, more than all else about a client."""
    return httpx.create_ssl_context()


async def post(
    client: httpx.AsyncClient,
    url: httpx.URL | str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    timeout_seconds: float,
    most_bytes: int,
) -> Reply | NoReply:
    """POST and read the whole answer within ``timeout_seconds``. Raises nothing but cancellation."""
    return await exchange(
        client, "POST", url, body=body, headers=headers, timeout_seconds=timeout_seconds, most_bytes=most_bytes
    )


async def exchange(
    client: httpx.AsyncClient,
    method: str,
    url: httpx.URL | str,
    *,
    headers: Mapping[str, str],
    timeout_seconds: float,
    most_bytes: int,
    body: bytes | None = None,
    piece: Piece | None = None,
) -> Reply | NoReply:
    """The same with any method, and without a body where that is None.

    With ``piece`` a range is asked for; of a server that gives the whole document all the same the piece alone is kept.
    """
    if piece is not None:
        # What is compressed has other offsets.
        wanted = {"Range": f"bytes={piece.start}-{piece.start + piece.length - 1}", "Accept-Encoding": "identity"}
        headers, most_bytes = {**headers, **wanted}, piece.length
    try:
        async with asyncio.timeout(timeout_seconds):
            # Made without the client, which would take URL and headers apart and join them anew each time.
            request = httpx.Request(
                method,
                url,
                content=body,
                headers={**_OWN_HEADERS, **headers},
                extensions={"timeout": client.timeout.as_dict()},
            )
            response = await client.send(request, stream=True)
            try:
                chunks, size = [], 0
                before = piece.start if piece is not None and response.status_code == 200 else 0
                async for chunk in response.aiter_bytes():
                    if before:
                        # What lies before the piece.
                        chunk, before = chunk[before:], max(0, before - len(chunk))  # noqa: PLW2901
                    size += len(chunk)
                    if size >= most_bytes and piece is not None and response.status_code in (200, 206):
                        chunks.append(chunk[: len(chunk) - (size - most_bytes)])
                        break
                    if size > most_bytes:
                        return NoReply("answer", f"the answer exceeds {most_bytes} bytes")
                    chunks.append(chunk)
            finally:
                await response.aclose()
                # httpx ties the response to its stream and back, which would keep each megabyte of request until the
                # garbage collector's rare full round.
                response.stream = _NOTHING
            return Reply(response.status_code, response.headers, b"".join(chunks))
    except (TimeoutError, httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout) as error:
        _let_go(error)
        return NoReply("timeout", f"no answer within {timeout_seconds:g} seconds")
    except (httpx.DecodingError, httpx.RemoteProtocolError) as error:
        _let_go(error)
        return NoReply("answer", f"the answer cannot be read: {_words(error)}")
    except Exception as error:  # noqa: BLE001 - the transport lets some of aiohttp's own errors through; all mean no answer
        _let_go(error)
        return NoReply("connection", f"the connection failed: {_words(error)}")


def _let_go(error: BaseException | None) -> None:
    """Empty the frames that an error came through: they hold it as it holds them, and with it a megabyte of request each time."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _words(error: BaseException) -> str:
    """The innermost cause says what happened (refused, no such host, certificate); outer layers only rename it."""
    text = str(error) or type(error).__name__
    if found := _NO_HTTP.search(text):
        return f"what came is no valid HTTP ({found[1].rstrip()})"
    return tidy(_BEHIND_HOST.sub(r"\1", text))
