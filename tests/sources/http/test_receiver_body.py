"""Bodies are read with bounds, whatever their encoding says."""

from __future__ import annotations

import gzip
import zlib
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.sources.http.body import BodyMemory, BodyTooLarge, NoRoom, read_body

packed = partial(gzip.compress, mtime=0)
"""Without the time: the names of tests that run in parallel are the same in each process."""


async def read(body: bytes, encoding: str = "", *, limit: int = 1_000, room: int = 10_000, step: int = 7):
    """Read ``body`` in small chunks; gives (body, code of the refusal, the most that was held)."""

    async def chunks():
        for start in range(0, len(body), step):
            yield body[start : start + step]

    budget = BodyMemory(room)
    with budget.lease() as lease:
        plain, refusal = await read_body(chunks(), encoding, limit=limit, lease=lease)
        held = budget.used
    assert budget.used == 0
    return plain, refusal.code if refusal else None, held


def raw_deflate(body: bytes) -> bytes:
    """Deflate without zlib's header, as some clients send it."""
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(body) + stream.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("", b"plain"),
        ("identity", b"plain"),
        ("gzip", packed(b"plain")),
        ("x-gzip", packed(b"plain")),
        ("gzip", packed(b"pl") + packed(b"ain")),
        ("gzip", packed(b"plain") + b"\0\0\0"),
        ("gzip", packed(b"plain") + b"\r\n"),
        ("gzip", b"".join(packed(bytes([each])) for each in b"plain") + packed(b"") * 300),
        ("deflate", zlib.compress(b"plain")),
        ("deflate", raw_deflate(b"plain")),
        ("", packed(b"plain")),
        ("utf-8", packed(b"plain")),
        ("deflate", packed(b"plain")),
        ("gzip, identity", packed(b"plain")),
        ("gzip, gzip", packed(packed(b"plain"))),
        ("gzip", packed(packed(b"plain"))),
        ("none", b"plain"),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 1000])
async def test_encodings(encoding, body, step) -> None:
    """Each encoding is undone, however it is cut into chunks."""
    assert (await read(body, encoding, limit=10_000, room=20_000, step=step))[:2] == (b"plain", None)


@pytest.mark.parametrize(
    ("encoding", "body", "code"),
    [
        ("gzip", b"not gzip", "bad_encoding"),
        ("gzip", packed(b"plain")[:-3], "bad_encoding"),
        ("gzip", packed(b"plain") + b"trailing", "bad_encoding"),
        ("gzip", b"", "bad_encoding"),
        ("gzip", packed(b"") * 1_001, "bad_encoding"),
        ("deflate", b"\xff\xff\xff", "bad_encoding"),
        ("deflate", b"x", "bad_encoding"),
        ("br", b"anything", "unknown_encoding"),
        ("utf-8", b"anything", "unknown_encoding"),
        ("", packed(b"plain")[:-3], "bad_encoding"),
        ("gzip, gzip", packed(packed(b"x")[:-3]), "bad_encoding"),
        ("gzip, gzip", packed(b"\x1f\x8bx"), "bad_encoding"),
    ],
)
async def test_what_cannot_be_undone_stays_as_it_came(encoding, body, code) -> None:
    """A damaged or unknown encoding gives the bytes as received, with a reason."""
    assert (await read(body, encoding, limit=30_000, room=60_000))[:2] == (body, code)


async def test_size_is_bounded_before_and_after() -> None:
    """A body over the limit is refused at once, and a bomb as soon as it grows beyond it."""
    assert (await read(b"x" * 1_000))[0] == b"x" * 1_000
    with pytest.raises(BodyTooLarge):
        await read(b"x" * 1_001)
    bomb = packed(b"\0" * 100_000_000)
    with pytest.raises(BodyTooLarge):
        await read(bomb, "gzip", limit=1_000_000, room=10_000_000, step=65_536)
    with pytest.raises(BodyTooLarge):
        await read(packed(bomb), "gzip", limit=1_000_000, room=10_000_000, step=65_536)
    nested = packed(b"x" * 1_000)
    assert (await read(nested, "gzip"))[0] == b"x" * 1_000
    with pytest.raises(BodyTooLarge):
        await read(packed(b"x" * 1_001), "gzip")


async def test_all_requests_together_are_bounded() -> None:
    """What is held counts compressed and plain bytes; beyond the budget there is no room; everything is given back."""
    body = packed(b"x" * 900)
    assert (await read(body, "gzip"))[2] == len(body) + 900
    with pytest.raises(NoRoom):
        await read(body, "gzip", room=900)


def test_one_request_alone_has_room_for_what_its_body_becomes() -> None:
    """Or a body that is allowed would be refused each time; beside others the budget holds."""
    budget = BodyMemory(1_000)
    with budget.lease() as alone:
        alone.reserve(900)
        alone.need(5_000)
        assert budget.used == 5_900
        with budget.lease() as other, pytest.raises(NoRoom):
            other.reserve(1)
    with budget.lease() as first, budget.lease() as second:
        first.reserve(500)
        second.need(400)
        with pytest.raises(NoRoom):
            second.need(200)
    assert budget.used == 0


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "br", "", "GZIP"]), st.integers(1, 50))
async def test_any_bytes_are_read(body, encoding, step) -> None:
    """No bytes under any encoding raise anything but the two bounds."""
    await read(body, encoding, limit=100_000, room=1_000_000, step=step)


@given(
    st.binary(max_size=2_000).filter(lambda body: body[:2] != b"\x1f\x8b"),
    st.integers(1, 500),
    st.sampled_from(["gzip", "zlib", "raw"]),
)
async def test_round_trip(body, step, how) -> None:
    """What was compressed comes back, for any cut."""
    compressed = {"gzip": packed, "zlib": zlib.compress, "raw": raw_deflate}[how](body)
    encoding = "gzip" if how == "gzip" else "deflate"
    assert (await read(compressed, encoding, limit=5_000, step=step))[:2] == (body, None)
