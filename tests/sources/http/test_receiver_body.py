"""Bodies are read with bounds, whatever their encoding says."""

from __future__ import annotations

import gzip
import json
import zlib
from functools import partial

import pytest
from hypothesis import assume, given
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
        ("", zlib.compress(b"plain")),
        ("gzip", zlib.compress(b"plain")),
        ("utf-8", zlib.compress(b"plain", 1)),
        ("x-deflate", raw_deflate(b"plain")),
        ("identity, deflate", raw_deflate(b"plain")),
        ("deflate, gzip", packed(zlib.compress(b"plain"))),
        ("deflate, gzip", packed(raw_deflate(b"plain"))),
        ("gzip, deflate", zlib.compress(packed(b"plain"))),
        ("gzip, deflate", raw_deflate(packed(b"plain"))),
        ("gzip, deflate", packed(b"plain")),
        ("gzip, deflate", zlib.compress(b"plain")),
        ("deflate, gzip", packed(b"plain")),
        ('"deflate";q=1', raw_deflate(b"plain")),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 1000])
async def test_encodings(encoding, body, step) -> None:
    """Each encoding is undone, however it is cut into chunks."""
    assert (await read(body, encoding, limit=10_000, room=20_000, step=step))[:2] == (b"plain", None)


@pytest.mark.parametrize("made", [lambda body: (body, "deflate"), lambda body: (packed(body), "deflate, gzip")])
@pytest.mark.parametrize("indent", [None, 1, 2, 4])
@pytest.mark.parametrize("document", [{"events": [{"event_code": "a"}]}, [{"event_code": "a"}]])
@pytest.mark.parametrize("before", [b"", b" ", b"\n"])
async def test_plain_json_under_the_label_deflate_stays_what_it_is(document, indent, before, made) -> None:
    """Its first byte begins a block of deflate's fixed code, which ends at once where the JSON is indented: a byte would be left of it."""
    body = before + json.dumps(document, indent=indent).encode()
    sent, encoding = made(body)
    assert (await read(sent, encoding, limit=10_000, room=20_000, step=1000))[0] == body


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
async def test_deflated_json_comes_back_also_behind_a_byte_order_mark(mark) -> None:
    """Deflated, the mark becomes the sign with which JSON begins; what follows it there is none."""
    body = mark + b'{"event_code": "a"}'
    compressed = raw_deflate(body)
    assert compressed.startswith(b"{") == bool(mark)
    assert (await read(compressed, "deflate", limit=10_000))[:2] == (body, None)


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
        ("", zlib.compress(b"plain")[:-3], "bad_encoding"),
        ("deflate, gzip", packed(zlib.compress(b"plain")[:-3]), "bad_encoding"),
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
    for small in (zlib.compress(b"\0" * 10_000_000), zlib.compress(packed(b"\0" * 10_000_000))):
        with pytest.raises(BodyTooLarge):
            await read(small, limit=1_000_000, room=10_000_000, step=65_536)
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


_COMPRESSED = (b"\x1f\x8b", *(b"\x78" + level for level in (b"\x01", b"\x5e", b"\x9c", b"\xda")))
"""What begins so is taken for compressed once more."""
_AS_JSON = tuple(
    begin + after for begin in (b"{", b"[") for after in (b" ", b"\t", b"\r", b"\n", b'"', b"{", b"[", b"}", b"]")
)
"""What begins so, behind white space, is read as it is under the label deflate."""


@given(
    st.binary(max_size=2_000).filter(lambda body: not body.startswith(_COMPRESSED)),
    st.integers(1, 500),
    st.sampled_from(["gzip", "zlib", "raw"]),
)
async def test_round_trip(body, step, how) -> None:
    """What was compressed comes back, for any cut."""
    compressed = {"gzip": packed, "zlib": zlib.compress, "raw": raw_deflate}[how](body)
    assume(how != "raw" or not compressed.lstrip().startswith(_AS_JSON))
    encoding = "gzip" if how == "gzip" else "deflate"
    assert (await read(compressed, encoding, limit=5_000, step=step))[:2] == (body, None)
