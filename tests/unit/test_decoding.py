"""Bodies become JSON values whatever their bytes."""

from __future__ import annotations

import pytest

from bridge.moengage.decoding import NotJson, parse_json


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ('"Café 東京 😀"'.encode(), "Café 東京 😀"),
        ('"Café – “naïve” €"'.encode("cp1252"), "Café – “naïve” €"),
        ('"東京"'.encode()[:-1] + b'\xe9"', "東京é"),
        (b'"\x81\x8d\x8f\x90\x9d"', "\x81\x8d\x8f\x90\x9d"),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"cut \\ud83d"', "cut \ufffd"),
        (b'"cut \\uDE00 \\ud83d\\ud83d\\ude00"', "cut \ufffd \ufffd😀"),
        (b'["\\\\ud83d", "\\ud83d"]', ["\\ud83d", "\ufffd"]),
        (b'{"a": NaN, "b": [Infinity, -Infinity], "c": "NaN"}', {"a": None, "b": [None, None], "c": "NaN"}),
        (b"[NaN, 18446744073709551615, -9223372036854775808]", [None, 2**64 - 1, -(2**63)]),
        (b"[NaN, 18446744073709551616, 1e5, 1e999]", [None, 2.0**64, 1e5, None]),
        (b"[NaN, " + b"9" * 5000 + b"]", [None, None]),
    ],
)
def test_readable_bodies(body: bytes, value: object) -> None:
    """UTF-8 with or without a mark, Windows-1252, half pairs and Python's not-a-number are read."""
    assert parse_json(body) == value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"\xef\xbb\xbf",
        b"hello",
        b'{"a": 1',
        b'{"a": 1} x',
        b"\x00",
        b"\xff\xfe{\x00}\x00",
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b"[NaN," + b"[" * 100_000,
        b"[NaN," + b"[" * 100_000 + b"]" * 100_001,
        b'{"a":' * 50_000,
        b"1e999",
        b"NaNa",
    ],
)
def test_unreadable_bodies(body: bytes) -> None:
    """Whatever is not JSON, however deep, is one kind of error."""
    with pytest.raises(NotJson):
        parse_json(body)


def test_reason_quotes_nothing_of_the_body() -> None:
    """The reason may be logged: it says where, never what."""
    with pytest.raises(NotJson) as caught:
        parse_json(b'{"email": "asha.k@example.com", secret}')
    assert "asha" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "column" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b'{"a": 1', "column 8"),
        (b'{"a": 1\n', "column 8"),
        (b'{"a": }\r\n', "column 7"),
        (b'{\n"a": }\n', "line 2, column 6"),
        (b"", "column 1"),
    ],
)
def test_reason_says_where(body: bytes, where: str) -> None:
    """A line is named only where there are several: the number of one of JSON lines is told by who reads the file."""
    with pytest.raises(NotJson, match=f" at {where}$"):
        parse_json(body)
