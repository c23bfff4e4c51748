"""What became of the events of one record, by its place and the letters there."""

import json
from types import SimpleNamespace

import pytest

from bridge.routes.reconciliation.event_table import EventTable, LetterAt, SeenEvent, digest
from bridge.routes.reconciliation.fates import code_of, id_of, seen_in, seen_in_letter
from bridge.sources.moengage.decoder import DECODER

A = {"event_uuid": "a", "event_code": "Sent"}


def _record(holds, **more):
    known = {"value": json.dumps(holds).encode(), "timestamp": 0, "partition": 3, "offset": 9, "headers": ()}
    return SimpleNamespace(**known | more)


def _letter(uuid, stage="map", code="no", events=1):
    return LetterAt(9, uuid, stage, code, events)


def _fates(holds, *letters, settled=True, **more):
    return [one.fate for one in seen_in(_record(holds, **more), DECODER, letters, settled=settled)]


@pytest.mark.parametrize(
    ("value", "letters", "fates"),
    [
        (A, [], ["0"]),
        (A, [_letter("a")], ["3:map"]),
        (A, [_letter("a"), _letter("a", "deliver")], ["3:deliver"]),
        (A, [_letter("of a topic that is gone")], ["0"]),
        (A, [_letter(None, code="hung")], ["3:map"]),
        (A, [_letter("a", code="hung")], ["3:map"]),
        (A, [_letter("of a topic that is gone", code="hung")], ["0"]),
        ({"no": "event"}, [], ["4"]),
        ({"no": "event"}, [_letter(None, "decode")], ["3:decode"]),
        ({"events": [A, {"no": "event"}]}, [_letter(None, "decode")], ["0", "3:decode"]),
        ({"events": [A, {"no": "event"}]}, [_letter(None, "decode"), _letter(None, "decode")], ["0", "3:decode"]),
        ({"events": [A, {**A, "event_uuid": "b"}]}, [_letter("b")], ["0", "3:map"]),
        ({"events": [A, {**A, "event_uuid": "b"}]}, [_letter(None, events=2)], ["3:map", "3:map"]),
        ({"events": [A, A, {"event_code": "x"}]}, [_letter(None)], ["0", "0", "3:map"]),
        ({"events": [A, A]}, [_letter(None, code="hung")], ["3:map"]),
        ({"events": []}, [], []),
    ],
)
def test_letters_tell_what_became_of_the_events_of_their_record(value, letters, fates):
    """Alone, in batches, stored twice, for many at once, and of another record that lay there before."""
    assert _fates(value, *letters) == fates


def test_behind_the_committed_offset_everything_is_open_but_letters():
    """Those are stored before the offset moves."""
    batch = {"events": [A, {"no": "event"}, {**A, "event_uuid": "b"}]}
    assert _fates(batch, _letter("b"), settled=False) == ["1", "1", "3:map"]


def test_a_record_that_cannot_be_decoded_is_one_event_and_a_tombstone_none():
    """Its letter stands for it."""
    assert _fates(None, _letter(None, "decode"), value=b"{not json") == ["3:decode"]
    assert _fates(None, value=None) == []


def test_xdm_that_was_replayed_is_the_event_that_it_was():
    """By its ``_id``; and a replay is no new event."""
    headers = [("bridge.form", b"xdm"), ("bridge.replays", b"1")]
    (seen,) = seen_in(_record({"_id": "a"}, headers=headers), DECODER, (), settled=True)
    assert (seen.id, seen.kind, seen.fate) == (digest("a"), 2, "0")


def test_ids_are_the_events_own_or_their_place():
    """Numbers are as their texts; codes may be absent."""
    assert id_of({"event_uuid": 7}, "p") == id_of({"id": "7"}, "q")
    assert id_of({"event_uuid": True}, "p") == id_of(None, "p") != id_of({}, "q")
    assert (code_of(A), code_of({"event_name": "n"}), code_of({"event_code": 1}), code_of(None)) == (
        "Sent",
        "n",
        "",
        "",
    )


def test_the_receivers_letters_hold_events_of_their_own():
    """As many as the letter says, with their ids where it can be read."""
    value = json.dumps({"events": [A, {**A, "event_uuid": "b"}]}).encode()
    seen = seen_in_letter(value, DECODER, stage="receive", day=1, place="0/1", events=2)
    assert [(one.id, one.day, one.code, one.fate, one.kind) for one in seen] == [
        (digest("a"), 1, "Sent", "3:receive", 0),
        (digest("b"), 1, "Sent", "3:receive", 0),
    ]
    assert len(seen_in_letter(b"{", DECODER, stage="receive", day=1, place="0/1", events=1)) == 1
    assert len(seen_in_letter(value, DECODER, stage="receive", day=1, place="0/1", events=1)) == 1


def test_the_best_that_became_of_an_event_counts_on_its_first_day():
    """A receiver's letter that came again and was delivered is received once; a replay alone is received by nobody."""
    with EventTable() as table:
        table.add(
            [SeenEvent(b"a", 2, "x", "0", 1), SeenEvent(b"a", 1, "x", "3:receive", 0), SeenEvent(b"r", 1, "", "0", 2)]
        )
        table.add_exported(b"a")
        table.add_exported(b"a")
        table.add_exported(b"r")
        table.add_exported(b"never came")
        assert [tuple(row) for row in table.distinct()] == [(1, "x", "0", 1, 1)]
        assert (table.repeated(), table.replayed()) == ({2: 0}, {1: 1})
        assert table.exported() == (1, {1: 1, -1: 1})


def test_letters_come_in_the_order_of_their_offsets():
    """By partition, whatever the order in which they were found."""
    with EventTable() as table:
        for partition, offset in ((0, 9), (1, 2), (0, 3)):
            table.add_letter(partition, LetterAt(offset, "u", "map", "no", 1))
        assert [letter.offset for letter in table.letters_of(0)] == [3, 9]
