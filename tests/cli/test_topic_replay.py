"""What ``replay`` makes of its options, and the command that goes on with it."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
import typer
from command_lines import problems_of_command
from hypothesis import given
from hypothesis import strategies as st

from bridge.cli.topic_replay import _ms, _time
from bridge.cli.topic_replay_run import command_of, shown
from bridge.kafka.replaying.range_marks import RangeMark, ReplayAsked, mark_of

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2h", "2026-11-26T10:00:00.000Z"),
        ("90m", "2026-11-26T10:30:00.000Z"),
        ("1.5d", "2026-11-25T00:00:00.000Z"),
        ("2026-11-25", "2026-11-25T00:00:00.000Z"),
        ("2026-11-25T08:00:00+02:00", "2026-11-25T06:00:00.000Z"),
        ("2026-11-25T08:00:00.123Z", "2026-11-25T08:00:00.123Z"),
    ],
)
def test_times_are_instants_dates_or_so_long_ago(text, meant) -> None:
    """In UTC unless they say."""
    assert shown(_ms(_time(text, "--since", NOW))) == meant


@pytest.mark.parametrize("text", ["yesterday", "2 h", "-2h", "2w", "", "99999999999999d"])
def test_what_is_no_time_is_a_usage_error(text) -> None:
    """Which names the option."""
    with pytest.raises(typer.BadParameter, match="--since"):
        _time(text, "--since", NOW)


_numbers = st.integers(0, 2**62)
_texts = st.none() | st.text(max_size=40)
_asked = st.builds(
    ReplayAsked,
    st.integers(0, 4 * 10**12),
    st.integers(0, 4 * 10**12),
    newest=st.booleans(),
    copies=st.booleans(),
    key=_texts,
    event_code=_texts,
)


@given(_asked, _numbers, _numbers, _numbers)
def test_a_mark_is_read_as_it_was_written(asked, upto, end, sent) -> None:
    """And fits beside an offset."""
    mark = RangeMark(upto, end, sent)
    note = mark.note(asked)
    assert mark_of(upto, note) == (asked, mark)
    assert len(note.encode()) < 4_096


@pytest.mark.parametrize("key", ["k" * 3_001, "\0" * 600, "\udcff"])
def test_what_could_not_be_remembered_is_refused(key) -> None:
    """Too long beside an offset, or no UTF-8."""
    with pytest.raises(ValueError, match=r"longer than|UTF-8"):
        ReplayAsked(0, 1, key=key)


@given(
    st.text() | st.sampled_from(['{"asked": {}, "end": 1, "sent": 1}', '{"asked": {"since": "a", "until": 1}}', "[]"])
)
def test_what_is_no_mark_is_none(note) -> None:
    """Offsets that others have committed."""
    assert mark_of(0, note) is None


@given(_asked, st.booleans())
def test_the_command_that_goes_on_asks_for_the_same(asked, declared) -> None:
    """Copied into a shell it is a command line of ours, with the same times."""
    route = SimpleNamespace(name="crm", declared=declared)
    words = shlex.split(command_of(asked, route, states=True))
    assert words[:2] == ["aep-bridge", "replay"]
    assert _ms(_time(words[3], "--since", NOW)) == asked.since
    assert _ms(_time(words[5], "--until", NOW)) == asked.until
    assert ("--all" in words) >= (not asked.newest)
    assert "--route" not in words or declared or "--route" in (asked.key, asked.event_code)
    if asked.key is not None:
        assert words[words.index("--key", 6) + 1] == asked.key


def test_the_command_line_is_one_of_ours() -> None:
    """With every option that it may name."""
    asked = ReplayAsked(0, 1, copies=True, key="C 100", event_code="Test")
    words = shlex.split(command_of(asked, SimpleNamespace(name="crm", declared=True), states=True))
    assert problems_of_command(words[1:]) == []
    assert words[-4:] == ["--all", "--include-replayed", "--route", "crm"]
