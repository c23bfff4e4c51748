"""What is remembered of records that hold many events: parsed once while they are in turn, forgotten with their chunks."""

from __future__ import annotations

import gc
import json
import weakref
from types import SimpleNamespace

import pytest

from bridge.kafka.dead_letters.refused_parts import MOST_EQUAL, RefusedParts
from bridge.sources.http import json_decoding
from bridge.sources.moengage.decoder import DECODER


class _Chunk:
    """What is read of a chunk."""

    def __init__(self, *values, closed=False, unresolved=1):
        self.records = [SimpleNamespace(value=value) for value in values]
        self.closed, self.unresolved = closed, unresolved


def _batch(*names):
    return json.dumps({"app_name": "Luma", "events": [{"event_uuid": name} for name in names]}).encode()


@pytest.fixture
def parsed(monkeypatch):
    """The values that were parsed, in order."""
    values = []
    genuine = json_decoding.parse_json
    monkeypatch.setattr(json_decoding, "parse_json", lambda value: values.append(value) or genuine(value))
    return values


def test_an_event_alone_keeps_its_envelope_and_its_name():
    """By its part of the record; of a record as a whole the only event gives the name, and several give none."""
    parts, chunk = RefusedParts(DECODER), _Chunk(_batch("a", "b"), _batch("c"))
    value, name = parts.alone(chunk, 0, 1)
    assert (json.loads(value), name) == ({"app_name": "Luma", "events": [{"event_uuid": "b"}]}, "b")
    assert parts.alone(chunk, 0, 0)[1] == "a"
    assert parts.alone(chunk, 0, None) == (_batch("a", "b"), None)
    assert parts.alone(chunk, 1, None) == (_batch("c"), "c")


@pytest.mark.parametrize("part", [None, 0])
def test_what_cannot_be_read_is_kept_as_it_came(part):
    """No JSON, no value, no such part: the record itself, without a name; nothing of it is counted."""
    parts, chunk = RefusedParts(DECODER), _Chunk(b"{", None)
    assert parts.alone(chunk, 0, part) == (b"{", None)
    assert parts.alone(chunk, 1, part) == (b"", None)
    assert RefusedParts(DECODER).alone(_Chunk(_batch("a")), 0, 5) == (_batch("a"), None)
    assert not any(parts.many(chunk, row, "code") for row in (0, 1) for _ in range(MOST_EQUAL + 5))
    parts.put_together(chunk, 0, "code", "letter")
    assert parts.together(chunk, 0, "code") is None


def test_equal_refusals_are_counted_by_record_and_code():
    """The twenty-first with one code is one too many; another code or record begins its own count."""
    parts, chunk = RefusedParts(DECODER), _Chunk(_batch("a"), _batch("b"))
    assert [parts.many(chunk, 0, "code") for _ in range(22)] == [False] * 20 + [True] * 2
    assert not parts.many(chunk, 0, "other")
    assert not parts.many(chunk, 1, "code")
    assert parts.together(chunk, 0, "code") is None
    parts.put_together(chunk, 0, "code", "letter")
    assert parts.together(chunk, 0, "code") == "letter"
    assert parts.together(chunk, 0, "other") is None
    assert parts.together(chunk, 1, "code") is None


def test_records_that_take_turns_are_parsed_once(parsed):
    """Eight of them; with a ninth the one that came first makes room, and it alone is parsed again."""
    parts, chunk = RefusedParts(DECODER), _Chunk(*(_batch(f"{row}") for row in range(9)))
    for _ in range(3):
        for row in range(8):
            parts.alone(chunk, row, 0)
    assert len(parsed) == 8
    parts.alone(chunk, 8, 0)
    for row in range(1, 9):
        parts.alone(chunk, row, 0)
    assert len(parsed) == 9
    parts.alone(chunk, 0, 0)
    assert parsed[9:] == [_batch("0")]


@pytest.mark.parametrize(("state", "kept"), [({}, True), ({"closed": True}, False), ({"unresolved": 0}, False)])
def test_a_chunk_that_is_over_is_let_go_of(state, kept):
    """Revoked, or every event of it judged: the next record takes its place; one that is under way stays."""
    parts, over = RefusedParts(DECODER), _Chunk(_batch("a"))
    parts.alone(over, 0, 0)
    for name, value in state.items():
        setattr(over, name, value)
    parts.alone(_Chunk(_batch("b")), 0, 0)
    held = weakref.ref(over)
    del over
    gc.collect()
    assert (held() is not None) is kept
