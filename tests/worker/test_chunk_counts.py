"""What the worker counts of a chunk: its events by the day of their record and by what becomes of them."""

import json
import time
from types import SimpleNamespace

import pytest
from test_intake import Spy

from bridge.kafka.consumer.ledger import Ledger
from bridge.model.day_counts import DAY_MS, DayCounts
from bridge.model.event import LeftOut
from bridge.model.verdicts import Rejected, Stage
from bridge.telemetry.metrics import Metrics
from bridge.worker.chunk_mapping import ChunkMapping, why_unreadable

DAY = 20_000
_NO = Rejected(Stage.MAP, "no", "a reason")


class _Decoder:
    """A record is a list of what becomes of its events."""

    def decode(self, value):
        return [LeftOut("a-rule") if one == "out" else {"is": one} for one in json.loads(value)]


class _Transform:
    mapping = None

    def apply(self, event):
        return {
            "taken": b"x",
            "refused": _NO,
            "two": [b"x", b"y"],
            "half": [b"x", _NO],
            "none": [],
        }[event["is"]]

    def tally(self):
        """Nothing."""


def _counts(*records):
    ledger, spy = Ledger(), Spy()
    ledger.open(1, {("t", 0): None})
    rows = [
        SimpleNamespace(value=value, key=None, timestamp=time, offset=offset, headers=())
        for offset, (time, value) in enumerate(records)
    ]
    chunk = ledger.register_chunk(("t", 0), 1, rows, 10, first=0, last=len(rows) - 1)
    ChunkMapping(ledger, _Decoder(), _Transform(), delivery=spy, letters=spy, metrics=Metrics()).map_chunk(chunk)
    return chunk.counts.days


def _at(day, *events, late=0):
    return day * DAY_MS + late, json.dumps(events).encode()


@pytest.mark.parametrize(
    ("events", "counted"),
    [
        (["taken"], DayCounts(1)),
        (["refused"], DayCounts(0, dead={"map": 1})),
        (["out"], DayCounts(0, left_out={"a-rule": 1})),
        (["none"], DayCounts(0, dead={"map": 1})),
        (["two"], DayCounts(1)),
        (["half"], DayCounts(0, dead={"map": 1})),
        (["taken", "refused", "out", "none", "two", "half"], DayCounts(2, 0, {"map": 3}, {"a-rule": 1})),
        ([], DayCounts()),
    ],
)
def test_every_event_counts_once_by_what_becomes_of_it(events, counted):
    """Also one that gives several elements, one of which is refused, and one that gives none."""
    assert _counts(_at(DAY, *events)) in ({DAY: counted}, {} if counted == DayCounts() else None)


def test_a_chunk_over_midnight_counts_by_the_day_of_each_record():
    """Whatever the order of the records' times."""
    found = _counts(
        _at(DAY + 1, "taken", "out"),
        _at(DAY, "taken", "refused", late=DAY_MS - 1),
        _at(DAY + 1, "none"),
        (DAY * DAY_MS, b"not json"),
        (DAY * DAY_MS, None),
    )
    assert found == {
        DAY: DayCounts(1, dead={"map": 1, "decode": 1}),
        DAY + 1: DayCounts(1, dead={"map": 1}, left_out={"a-rule": 1}),
    }


def _unreadable(*timestamps):
    ledger, spy = Ledger(), Spy()
    ledger.open(1, {("t", 0): None})
    rows = [SimpleNamespace(value=b"?", key=None, timestamp=each, offset=7, headers=()) for each in timestamps]
    chunk = ledger.register_chunk(("t", 0), 1, rows, 10, first=7, last=7, upto=8, unreadable="cut off")
    ChunkMapping(ledger, _Decoder(), _Transform(), delivery=spy, letters=spy, metrics=Metrics()).map_chunk(chunk)
    assert why_unreadable(chunk) == "offset 7 cannot be read: cut off"
    return chunk.counts.days


@pytest.mark.parametrize(("timestamp", "day"), [(1, 0), (DAY * DAY_MS, DAY), (0, None), (-1, None)])
def test_what_cannot_be_read_is_one_dead_letter_of_its_day(timestamp, day):
    """Or of today, where it does not say when it was appended."""
    before = int(time.time()) // 86_400
    (found,) = (counts := _unreadable(timestamp, 5 * DAY_MS))
    assert counts == {found: DayCounts(dead={"decode": 1})}
    # An enumeration's member equals its text, and is none to who writes JSON.
    assert {type(stage) for stage in counts[found].dead} == {str}
    assert found in ({before, int(time.time()) // 86_400} if day is None else {day})
