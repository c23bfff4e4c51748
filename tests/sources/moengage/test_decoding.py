"""Bodies become JSON values whatever their bytes."""

from __future__ import annotations

import pytest

from bridge.model.errors import NotJson
from bridge.sources.http.json_reading import parse_body, parse_json


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
        (b"[NaN, 18446744073709551616, 1e5]", [None, "18446744073709551616", 1e5]),
        (b"[NaN, " + b"9" * 5000 + b"]", [None, "9" * 5000]),
        (b'\xef\xbb\xbf\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b'\r\n \xef\xbb\xbf\t{"a": 1}', {"a": 1}),
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
        b"[NaN, 1e999]",
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


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"12345678901234567890123", "12345678901234567890123"),
        (b'{"uid":18446744073709551616}', {"uid": "18446744073709551616"}),
        (b'{"uid":-9223372036854775809}', {"uid": "-9223372036854775809"}),
        (b'{"uid":-9223372036854775808}', {"uid": -(2**63)}),
        (b'{"n":[18446744073709551615,9007199254740993]}', {"n": [2**64 - 1, 2**53 + 1]}),
        (b"[" + b"7" * 400 + b"]", ["7" * 400]),
        (b'{"amount":12345678901234.123456789}', {"amount": "12345678901234.123456789"}),
        (b'{"amount": -0.12345678901234567891e-3}', {"amount": "-0.12345678901234567891e-3"}),
        (b'{"time":1731421200.123456789}', {"time": "1731421200.123456789"}),
        (b'{"lat":12.971598700000001}', {"lat": 12.971598700000001}),
        (b'{"p":0.1000000000000000055511151231257827}', {"p": 0.1}),
        (b'{"p":0.1000000000000000000000}', {"p": 0.1}),
        (b'{"ecid":"12345678901234567890123456789012345678"}', {"ecid": "12345678901234567890123456789012345678"}),
        (b'{"t":"id 12345678901234567890123"}', {"t": "id 12345678901234567890123"}),
    ],
)
def test_numbers_keep_their_digits(body: bytes, value: object) -> None:
    """Integers beyond 64 bits and decimals that no double prints as are their text; all others stay numbers."""
    assert parse_json(body) == value
    assert repr(parse_json(body)) == repr(value)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"events":[1],"events":[2,3]}', {"events": [1, 2, 3]}),
        (b'{"events":[1], "events" : [2]}', {"events": [1, 2]}),
        (b'{"a":{"b":1},"a":{"c":2}}', {"a": {"b": 1, "c": 2}}),
        (b'{"a":{"b":{"x":1}},"a":{"b":{"y":2}}}', {"a": {"b": {"x": 1, "y": 2}}}),
        (b'{"a":1,"a":1}', {"a": 1}),
        (b'{"a":null,"a":"x","a":null}', {"a": "x"}),
        (b'{"q":"\\u0022:\\u0022","b":1,"b":1}', {"q": '":"', "b": 1}),
        (b'{"a":"caf\xe9","b":{"c":1},"b":{"d":2}}', {"a": "café", "b": {"c": 1, "d": 2}}),
    ],
)
def test_members_of_one_name_are_put_together(body: bytes, value: object) -> None:
    """Of several members of one name none disappears where they can stand together."""
    assert parse_json(body) == value


@pytest.mark.parametrize(
    "body",
    [
        b'{"uid":"a","uid":"b"}',
        b'{"a":1,"a":true}',
        b'{"a":{"b":1},"a":{"b":2}}',
        b'{"tags":[1],"tags":[2]}',
        b'{"event":{"event_code":"X"},"event":{"event_code":"X","uid":"u"}}',
        b'{"a":{"x":1,"x":2},"a":null}',
    ],
)
def test_members_that_cannot_stand_together_are_not_chosen_from(body: bytes) -> None:
    """Different values of one name are refused as a whole; the receiver keeps such a body as it came."""
    with pytest.raises(NotJson, match="several members of one name"):
        parse_json(body)
    assert parse_body(body)[1]
