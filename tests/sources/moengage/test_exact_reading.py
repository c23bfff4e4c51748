"""Whatever JSON arrives, every member and every digit of it is read, or it is refused."""

from __future__ import annotations

import json
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.sources.http.json_exact import AMBIGUOUS, is_changed
from bridge.sources.http.json_reading import parse_body, parse_json

_names = st.sampled_from(["a", "b", 'q":', "é", "events", "event"])
_leaves = st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
_blanks = st.sampled_from(["", " ", "\n", "\t "])


@st.composite
def _objects(draw: st.DrawFn, depth: int = 2) -> tuple[str, list[tuple[str, object]]]:
    """The text of an object whose names may repeat, and its members."""
    members: list[tuple[str, object]] = []
    texts: list[str] = []
    for _ in range(draw(st.integers(0, 4))):
        name = draw(_names)
        inner = draw(_objects(depth - 1)) if depth and draw(st.booleans()) else None
        value = draw(_leaves) if inner is None else inner[1]
        text = json.dumps(value, ensure_ascii=draw(st.booleans())) if inner is None else inner[0]
        written = json.dumps(name, ensure_ascii=draw(st.booleans()))
        if draw(st.booleans()):
            written = written.replace('\\"', "\\u0022")
        members.append((name, value))
        texts.append(f"{draw(_blanks)}{written}{draw(_blanks)}:{draw(_blanks)}{text}{draw(_blanks)}")
    return "{" + ",".join(texts) + "}", members


def _repeats(members: list[tuple[str, object]]) -> bool:
    names = [name for name, _ in members]
    return len(set(names)) < len(names) or any(_repeats(value) for _, value in members if isinstance(value, list))


def _leaves_of(members: list[tuple[str, object]]) -> set[str]:
    found: set[str] = set()
    for _, value in members:
        if isinstance(value, list):
            found |= _leaves_of(value)
        elif value is not None:
            found.add(_text(value))
    return found


def _text(value: object) -> str:
    wide = isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**64
    return str(value) if wide else repr(value)


def _leaves_in(value: object) -> set[str]:
    if isinstance(value, dict):
        return set().union(*map(_leaves_in, value.values())) if value else set()
    if isinstance(value, str) and value.removeprefix("-").isdecimal() and len(value) > 18:
        return {value}
    return {repr(value)}


@given(_objects())
def test_no_member_is_lost(made: tuple[str, list[tuple[str, object]]]) -> None:
    """Each value stands somewhere in what was read, or the whole is marked as ambiguous."""
    text, members = made
    body = text.encode()
    if _repeats(members):
        assert is_changed(body, orjson.loads(body))
    document, ambiguous = parse_body(body)
    if ambiguous:
        assert _repeats(members)
    else:
        assert _leaves_of(members) <= _leaves_in(document)
        assert AMBIGUOUS not in document.values()


@given(
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30)
    | st.floats(allow_nan=False, allow_infinity=False).map(Decimal)
    | st.integers().map(Decimal),
    st.sampled_from(["{}", "[{}]", '{{"a":{}}}', '{{"a": [1, {} ]}}']),
)
def test_no_digit_is_lost(number: Decimal, frame: str) -> None:
    """A number is read as itself, as its text, or as the double that prints as it does in so many digits."""
    text = format(number, "f")
    value = parse_json(frame.format(text).encode())
    while isinstance(value, dict | list):
        value = list(value.values() if isinstance(value, dict) else value)[-1]
    if isinstance(value, str):
        assert value == text
    elif isinstance(value, int):
        assert value == number
    else:
        digits = text.lstrip("-0.").replace(".", "")
        assert (
            len(digits) <= 15
            or f"{value:.{max(0, len(text.partition('.')[2]))}f}" == text
            or Decimal(repr(value)) == number
        )


@pytest.mark.parametrize(
    "text", ["1e-400", "-1E-400", "1.5e-0330", "1.23456789e-320", "0.0000123456789012e-310", "123e-340"]
)
@pytest.mark.parametrize("frame", ["{}", '{{"a": {}}}', "[ {} ]", '{{"a":\t{},"b":"1-123e-402"}}'])
def test_no_digit_of_a_tiny_number_is_lost(text: str, frame: str) -> None:
    """Below the range of a double its text is kept, where the double would be another number or nothing."""
    value = parse_json(frame.format(text).encode())
    while isinstance(value, dict | list):
        value = next(iter(value.values() if isinstance(value, dict) else value))
    assert value == text


@pytest.mark.parametrize("text", ["1e-300", "0e-400", "-0.0e-999", "2.2250738585072014e-308", "5e-324"])
def test_a_tiny_number_that_a_double_holds_stays_one(text: str) -> None:
    """Its text is needed only where something would be lost."""
    assert parse_json(f"[ {text} ]".encode()) == [float(text)]


def test_ids_that_look_like_tiny_numbers_cost_nothing() -> None:
    """Parts of UUIDs, in texts, are taken for no numbers."""
    body = b'{ "a": "0f3a-123e-4567-89e-4023", "b": "x1e-400" }'
    assert not is_changed(body, orjson.loads(body))
