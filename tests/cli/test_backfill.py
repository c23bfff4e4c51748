"""File exports become the receiver's records, in bounded memory, and say how far they came."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
from datetime import UTC, datetime

import orjson
import pytest
from awaiting import until
from memory_store import MemoryStore

from bridge.cli.backfill_run import BackfillRun
from bridge.model.dead_letter import StoredLetters
from bridge.model.errors import BridgeError
from bridge.settings import Settings
from bridge.sources.moengage.export_files import Export, InputError
from bridge.sources.moengage.export_filling import Tally, fill

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def line(number: int, **more) -> bytes:
    """One line of a cloud-storage export."""
    event = {"event_code": "X", "event_uuid": f"u-{number}", "uid": f"user-{number % 5}", "event_time": number, **more}
    return orjson.dumps({"app_name": "A", "export_day": "2026-11-01", "event": event}) + b"\n"


async def run(content: bytes, store=None, tmp_path=None, **options) -> tuple[Tally, list[tuple[int, str]]]:
    """Fill from bytes; gives the tally and what was refused as (line, code)."""
    refused: list[tuple[int, str]] = []
    tally = Tally("file")
    export = Export("-", stdin=io.BytesIO(content))
    await fill(
        export,
        tally,
        store,
        now=lambda: NOW,
        refused=lambda number, letter: refused.append((number, letter.code)),
        **options,
    )
    return tally, refused


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
async def test_export_lines(compress) -> None:
    """Lines of an export, gzip or not, are stored as the receiver would, in order and all of them."""
    store = MemoryStore()
    tally, refused = await run(compress(b"".join(map(line, range(5_000)))), store)
    assert (tally.line, tally.events, tally.stored, tally.stored_line, tally.complete) == (5_000,) * 4 + (True,)
    assert not refused
    assert store.calls > 2
    assert [orjson.loads(value)["id"] for _, value, _ in store.events] == [f"u-{number}" for number in range(5_000)]
    assert store.events[0][0] == b"user-0"


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        (line(1).rstrip() + b"\r\n\r\n" + line(2), ["u-1", "u-2"]),
        (orjson.dumps(orjson.loads(line(1)), option=orjson.OPT_INDENT_2), ["u-1"]),
        (orjson.dumps([orjson.loads(line(1)), orjson.loads(line(2))], option=orjson.OPT_INDENT_2), ["u-1", "u-2"]),
        (b"\n \r\n" + orjson.dumps(orjson.loads(line(1)), option=orjson.OPT_INDENT_2), ["u-1"]),
        (
            b"\n" + orjson.dumps([orjson.loads(line(1)), orjson.loads(line(2))], option=orjson.OPT_INDENT_2),
            ["u-1", "u-2"],
        ),
        (b"[" + line(1).strip() + b"]\n[" + line(2).strip() + b"]\n", ["u-1", "u-2"]),
        (b"\xef\xbb\xbf" + line(1), ["u-1"]),
        (b"\xef\xbb\xbf[" + line(1).strip() + b",\n" + line(2).strip() + b"]", ["u-1", "u-2"]),
        (b"\xef\xbb\xbf[\n" + line(1).strip() + b",\n" + line(2).strip() + b"\n]\n", ["u-1", "u-2"]),
        (b"\x1e" + line(1) + b"\x1e" + line(2), ["u-1", "u-2"]),
        (b'{"event":{"event_uuid":"u-1","event_code":"X","uid":12345678901234567890}}\n' + line(2), ["u-1", "u-2"]),
        (gzip.compress(line(1), mtime=0) + gzip.compress(line(2), mtime=0), ["u-1", "u-2"]),
        (b"", []),
        (b"\n\n", []),
    ],
    ids=[
        "blank-lines",
        "one-document",
        "one-array",
        "blank-then-document",
        "blank-then-array",
        "arrays",
        "mark",
        "mark-before-an-array",
        "mark-before-an-array-of-lines",
        "record-separators",
        "beyond-64-bits",
        "members",
        "empty",
        "blank",
    ],
)
async def test_other_forms(content, ids) -> None:
    """One document, arrays, several gzip members and blank lines are read too."""
    store = MemoryStore()
    tally, refused = await run(content, store)
    assert [orjson.loads(value)["id"] for _, value, _ in store.events] == ids
    assert tally.complete
    assert not refused


async def test_bad_lines_are_told_with_their_number() -> None:
    """What is no event is told by line, its neighbours are stored, and dead letters are kept only when asked."""
    content = b"not json\n" + line(2) + b'{"hello": "world"}\n' + line(4)
    store = MemoryStore()
    tally, refused = await run(content, store)
    assert refused == [(1, "not_json"), (3, "not_an_event")]
    assert (tally.stored, tally.refused, store.dead_letters) == (2, 2, [])
    tally, _ = await run(content, store, keep_refused=True)
    assert [letter.value for letter in store.dead_letters] == [b"not json\n", b'{"hello": "world"}\n']


async def test_lines_are_numbered_from_the_file_s_first() -> None:
    """Blank lines before the first bad one count too, so that --from-line and an editor mean the same line."""
    store = MemoryStore()
    tally, refused = await run(b"\n\nnot json\n" + line(4) + b"\nbad\n" + line(7), store)
    assert refused == [(3, "not_json"), (6, "not_json")]
    assert (tally.stored, tally.stored_line) == (2, 7)


async def test_dry_run_counts() -> None:
    """Without a store everything is read and counted, nothing written."""
    tally, refused = await run(b"".join(map(line, range(3_000))) + b"bad\n")
    assert (tally.events, tally.stored, tally.complete, refused) == (3_000, 0, True, [(3_001, "not_json")])


async def test_it_can_be_gone_on_with() -> None:
    """When the store fails, everything up to stored_line is stored, and going on from there gives all, none missing."""
    content = b"".join(map(line, range(10_000)))

    class Failing(MemoryStore):
        async def store(self, events, dead_letters):
            self.failing = self.calls >= 3
            return await super().store(events, dead_letters)

    store, tally = Failing(), Tally("file")
    with pytest.raises(BridgeError, match="did not confirm"):
        await fill(Export("-", stdin=io.BytesIO(content)), tally, store, now=lambda: NOW, patience_seconds=0.05)
    first = [orjson.loads(value)["id"] for _, value, _ in store.events]
    assert tally.stored_line == tally.stored == len(first) == 6_000
    assert not tally.complete
    rest = MemoryStore()
    await run(content, rest, from_line=tally.stored_line + 1)
    second = [orjson.loads(value)["id"] for _, value, _ in rest.events]
    assert first + second == [f"u-{number}" for number in range(10_000)]


async def test_stopping_leaves_a_whole_prefix() -> None:
    """Stopped in the middle, what was read is stored and the tally says up to where."""
    store = MemoryStore()
    tally, _ = await run(b"".join(map(line, range(10_000))), store, stopped=lambda: True)
    assert tally.stored == tally.stored_line == len(store.events) == 2_000
    assert not tally.complete


async def test_a_silent_pipe_is_left_when_stopped() -> None:
    """Whoever writes to stdin may pause for hours: a stop is heard all the same, and what came before it is stored."""
    ours, theirs = os.pipe()
    store, tally, stop = MemoryStore(), Tally("-"), asyncio.Event()
    with open(ours, "rb", buffering=0) as pipe, open(theirs, "wb", buffering=0) as other:  # noqa: ASYNC230, PTH123
        other.write(line(1) + line(2) + b'{"event_code": "half a line')
        filling = asyncio.create_task(fill(Export("-", stdin=pipe), tally, store, now=lambda: NOW, stopped=stop.is_set))
        # A thread of its own reads the pipe, as soon as the machine lets it.
        await until(lambda: tally.events == 2)
        await asyncio.sleep(0.3)
        assert not filling.done()
        stop.set()
        await asyncio.wait_for(filling, 20)
        assert (tally.stored, tally.stored_line, tally.complete) == (2, 2, False)
        other.close()


async def test_damaged_files_are_told(tmp_path) -> None:
    """A gzip that ends in the middle, and a file that is not there, are errors with the name."""
    whole = gzip.compress(b"".join(map(line, range(100))))
    with pytest.raises(InputError, match="ends in the middle"):
        await run(whole[:-20], MemoryStore())
    with pytest.raises(InputError, match=r"nowhere\.jsonl cannot be read"):
        Export(str(tmp_path / "nowhere.jsonl"))


async def test_reading_needs_little_memory() -> None:
    """Never more than a few batches are held: a fraction of what the records of the file weigh together (30 MB)."""
    import tracemalloc

    class Forgetful(MemoryStore):
        async def store(self, *_records):
            self.calls += 1
            return StoredLetters((), ())

    content = gzip.compress(b"".join(line(number, text="x" * 500) for number in range(30_000)), 1)
    tracemalloc.start()
    try:
        tally, _ = await run(content, Forgetful())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert tally.stored == 30_000
    assert peak < 20_000_000, peak


@pytest.mark.clock
def test_an_interrupt_ends_the_wait_for_kafka(tmp_path) -> None:
    """Ctrl-C while no broker answers ends the command at once, not after the time that a broker is given."""
    file = tmp_path / "export.jsonl"
    file.write_bytes(line(1))
    settings = Settings(kafka={"bootstrap_servers": ["127.0.0.1:1"], "request_timeout_seconds": 60})

    async def interrupted() -> int:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.2, stop.set)
        run = BackfillRun([str(file)], from_line=1, keep_refused=False, dry_run=False, as_json=True, route="default")
        async with asyncio.timeout(20):
            return await run.run(settings, stop)

    assert asyncio.run(interrupted()) == 1
