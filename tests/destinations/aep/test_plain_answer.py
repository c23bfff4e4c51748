"""The short way of reading an answer never says yes where reading it item by item would not."""

from __future__ import annotations

from unittest.mock import patch

import orjson
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.destinations.aep import answers
from bridge.destinations.aep.plain_answer import says_all_accepted
from bridge.model.verdicts import AllAccepted

STEM = "5f7b1c1e-9a3c-4b35-8f34-3a2a0f6f8a11-"


def body(count: int, stem: str = STEM, **more: object) -> bytes:
    """A 207 as AEP writes it."""
    items = [{"xactionId": f"{stem}{number}"} for number in range(count)]
    return orjson.dumps({"inletId": "a1", "batchId": "b2", "receivedTimeMs": 1, "responses": items, **more})


def item_by_item(answer: bytes, count: int) -> object:
    """What reading every item gives."""
    with patch.object(answers, "says_all_accepted", lambda *_: False):
        return answers.read_answer(207, {}, answer, count, now=0.0)


pieces = st.sampled_from(
    [b"", b"0", b"1", b"}", b"{", b'"', b",", b"\\", b" ", b"\xff", b'"status":400,', b'{"xactionId":"', b'"responses":[],',
     b'{"xactionId":"' + STEM.encode() + b'0"}', b'{"status":500},', b'"},', b"]", b"[", b"null"]
) | st.binary(max_size=3)  # fmt: skip
edits = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 40), pieces), max_size=4)


@given(sent=st.integers(1, 12), answered=st.integers(0, 12), changes=edits)
@example(sent=2, answered=2, changes=[])
def test_yes_only_where_every_item_is_fine(sent, answered, changes):
    """Whatever is cut out of or written into an answer, a yes is confirmed item by item."""
    answer = body(answered)
    for at, gone, put in changes:
        answer = answer[:at] + put + answer[at + gone :]
    if says_all_accepted(answer, sent):
        assert item_by_item(answer, sent) == AllAccepted()


@given(count=st.integers(1, 3_000), stem=st.sampled_from([STEM, "1732350000000:17:4:"]))
def test_usual_answers_take_the_short_way(count, stem):
    """Both documented forms of a transaction id are known, whatever the number of events."""
    assert says_all_accepted(body(count, stem), count)
    assert item_by_item(body(count, stem), count) == AllAccepted()


def test_anything_else_takes_the_long_way():
    """One item too few or too many, in another place, with a status, or twice: no."""
    assert not says_all_accepted(body(3), 2)
    assert not says_all_accepted(body(3), 4)
    assert not says_all_accepted(body(0), 0)
    assert not says_all_accepted(body(2, again=[{"xactionId": STEM + "0"}]), 2)
    assert not says_all_accepted(body(2).replace(b'1"}', b'1","status":400}'), 2)
    assert not says_all_accepted(body(12).replace(b'-7"}', b'-8"}'), 12)
    assert not says_all_accepted(b'{"errors":%b}' % body(2)[body(2).index(b"[") : -1], 2)
