"""What functions give beyond the catalogue's examples: optional parameters, nulls, limits; through the real compiler."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.mapping.compiler.expressions.evaluation import compile_expression
from bridge.mapping.functions import clock
from bridge.mapping.sets.findings import MappingRefused

URL = "https://user@www.example.com:8443/a/b%20c/d.html?x=1&y=a%20b&x=2#frag"
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.6099.71 Safari/537.36"
ANDROID = "Mozilla/5.0 (Linux; Android 13; SM-S901B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/112.0.0.0 Mobile Safari/537.36"
ROBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
EVENT = {
    "name": "Ann", "blank": "", "none": None, "n": 5, "zero": 0, "list": [1, None, 2], "nothing": [], "map": {"a": 1, "b": None},
    "a.b": {"c": [{"d": None}]}, "when": "2020-09-25 15:17:31", "ms": 1731421200123, "code": "B", "url": URL, "chrome": CHROME,
    "android": ANDROID, "robot": ROBOT, "json": '{"a":[1,2.5,null]}', "items": [{"id": 1, "v": "x"}, {"id": 2}, {"v": "y"}, None],
    "pattern": "yyyy", "regex": "A(.)", "emoji": "a😀b", "events": "event1=101:123456,scAdd:abcd123,event2", "field": "blank",
}  # fmt: skip


def evaluate(text: str) -> Any:
    """Value and reason over EVENT, at a stopped clock."""
    with clock.stopped(datetime(2021, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)):
        return compile_expression(text).evaluate(EVENT)


VALUES = [
    # text
    ('concat("a", none, 1, true, 2.0)', "a1true2.0"), ("concat(none, missing)", None), ("concat(blank, none)", ""),
    ("explode(name)", ["Ann"]), ('explode("a,,b,")', ["a", "", "b", ""]), ('explode("a1b22c", "[0-9]+")', ["a", "b", "c"]),
    ("explode(name, regex)", ["", "n"]), ('explode("abc", "")', ["a", "b", "c", ""]), ("explode(none)", None),
    ('instr("hello", "l")', 2), ('instr("hello", "l", 3)', 3), ('instr("hello", "l", 0, 2)', 3), ('instr("hello", "z")', -1),
    ('instr("aaa", "", 0, 9)', -1), ('replacestr("a.a", ".", "-")', "a-a"), ('replacestr("aXbX", "X", "")', "ab"),
    ('replacestr(name, none, "x")', "Ann"), ('substr("abc", 1, 100)', "bc"), ('substr("abc", 5, 1)', ""), ("lower(none)", None),
    ("upper(n)", "5"), ('split("a,b;;c", ",;")', ["a", "b", "c"]), ('split(blank, ",")', []), ('split("a\\\\b", "\\\\")', ["a", "b"]),
    ('join("-", list)', "1-2"), ('join(", ", "a", none, "b")', "a, b"), ('lpad("x", 3, "")', "  x"), ('rpad("x", 4, "ab")', "xaba"),
    ('lpad("long", 2, "x")', "long"), ("lpad(none, 2, none)", None), ('left("ab", 9)', "ab"), ('right("abc", 2)', "bc"),
    ('right("abc", 0)', ""), ('left("abc", 0 - 1)', ""), ('trim("\\t a \\n")', "a"), ('"a".equals(none)', False), ("n.equals(5)", True),
    ('n.equals("5")', False), ('"ß".equalsIgnoreCase("SS")', False), ('name.equalsIgnoreCase("aNN")', True),
    # regular expressions
    ('extract_regex("none here", "([0-9])")', []), ('extract_regex("ab", "a(x)?(b)")', ["ab", None, "b"]),
    ('matches_regex("abc", "b")', False), ('matches_regex("abc", ".b.")', True), ('extract_regex("xAnn", regex)', ["An", "n"]),
    # hashing
    ('md5("")', "d41d8cd98f00b204e9800998ecf8427e"), ("sha256(none)", None), ('md5("é", "ISO-8859-1")', "3406877694691ddd1dfb0aca54681407"),
    ('sha1("abc", "us-ascii")', "a9993e364706816aba3e25717850c26c9cd0d89d"), ('crc32("")', "00000000"),
    # URLs
    ("get_url_host(url)", "www.example.com"), ("get_url_port(url)", 8443), ('get_url_port("sftp://h/x")', 22), ('get_url_port("foo://h/x")', None),
    ("get_url_path(url, false)", "d.html"), ("get_url_path(url)", "/a/b%20c/d.html"), ("get_url_protocol(name)", None),
    ('get_url_host("no url")', None), ('get_url_query_str(url, "remove")', {"x": "2", "y": "a%20b"}), ('get_url_host("http://[::1]:80/")', "[::1]"),
    ('get_url_port("http://h:99999/")', None), ('get_url_decoded(get_url_encoded("a b+c~\\\\é"))', "a b+c~\\é"),
    # dates
    ("now()", "2021-01-02T03:04:05Z"), ("timestamp()", 1609556645678), ('dformat(ms, "yyyy-MM-dd HH:mm:ss.SSS")', "2024-11-12 14:20:00.123"),
    ("dformat(1731421200.9, pattern)", "1970"), ('dformat("1731421200123", "SSS")', "123"), ('dformat(none, "yyyy")', None),
    ('format(date(when), "dd/MM/yy")', "25/09/20"), ("format(when, pattern)", "2020"), ("date(none)", None),
    ('date(none, "yyyy", date("2020-01-01"))', "2020-01-01T00:00:00Z"), ('date("31.12.2020", "dd.MM.yyyy")', "2020-12-31T00:00:00Z"),
    ('date("2020", pattern)', "2020-01-01T00:00:00Z"), ("date_part('dw', when)", 6), ('date_part("W", when)', 39), ("date_part('q', when)", 3),
    ("date_part('hh12', when)", 3), ("date_part('y', when)", 269), ("date_part('YYYY', when)", 2020), ("date_part('n', when)", 17),
    ("set_date_part('n', 0, when)", "2020-09-25T15:00:31Z"), ("zone_date_to_utc(date('2020-01-01 00:00:00+0200'))", "2019-12-31T22:00:00Z"),
    ("make_timestamp(2020, 2, 29, 0, 0, 0, 123000000, 'UTC')", "2020-02-29T00:00:00.123Z"), ("make_date_time(2020, 1, 1, 0, 0, none, 0, 'UTC')", None),
    # objects and maps
    ("is_empty(nothing)", True), ("is_empty(list)", False), ("is_empty(missing)", True), ("is_empty(n)", False), ('to_object("a", 1, "b", none)', {"a": 1, "b": None}),
    ("arrays_to_objects('k', [1, 2], 'v', ['a'])", [{"k": 1, "v": "a"}, {"k": 2}]), ("arrays_to_object('k', none)", None),
    ('str_to_object("a:1,b : x:y")', {"a": "1", "b": "x:y"}), ('str_to_object("a=1;b=2", "=", ";").get("b")', "2"),
    ('contains_key("map.b")', True), ('contains_key("map.c")', False), ('contains_key("a\\\\.b.c[0].d")', True), ("contains_key('a\\\\.b.c[1]')", False),
    ("is_set(field)", True), ("get_keys(map)", ["a", "b"]), ('get_values("a=1&b=2", "b", "=", "&")', "2"), ('get_values("a:1", "z", none)', None),
    ("map_get_values(map, ['a', 'z'])", {"a": 1}), ("map_get_values(map, 'z')", None), ("map_has_keys(map, ['z', 'b'])", True),
    ("map_has_keys(none, 'b')", False), ("add_to_map(map, {'a': 2, 'c': 3}, none)", {"a": 1, "b": None, "c": 3}), ("to_map('a', 1, 2, 'b')", {"a": 1, "2": "b"}),
    ("to_map(none)", None), ("object_to_map(map)", {"a": 1, "b": None}), ("object_to_map(missing)", None), ("object_to_map(name, n)", {"Ann": 5}),
    ("array_to_map(items, id)", {"1": {"id": 1, "v": "x"}, "2": {"id": 2}}), ("array_to_map(items, 'v')", {"x": {"id": 1, "v": "x"}, "y": {"v": "y"}}),
    ("object_to_map(items, id)", {"1": {"id": 1, "v": "x"}, "2": {"id": 2}}),
    # arrays
    ("coalesce(missing, none, n)", 5), ("first(list)", 1), ("last(list)", 2), ("first(nothing)", None), ("add_to_array(missing, 1)", [1]),
    ("join_arrays(list, none, [3])", [1, None, 2, 3]), ("to_array(true, 1, none)", [1, None]), ("to_array(false, 1, none)", [1]), ("size_of(list)", 3),
    ("size_of(none)", 0), ("size_of(map)", 2), ("array_to_string('-', [[1], [2, none]])", "1-2"), ("flattenArray(list)", [1, None, 2]),
    ("transformArray(list, x -> coalesce(x, 0))", [1, 0, 2]),
    # logic and numbers
    ('decode(code, "A", 1, "B", 2, 3)', 2), ('decode(code, "A", 1)', None), ('decode(none, "A", 1, 9)', 9), ('decode(n, "5", 1, 5.0, 2)', 2),
    ("decode(code, name, 1, code, n)", 5), ("iif(none, 1, 2)", 2), ("iif(n > 4, 'big', 'small')", "big"), ("min(list)", 1), ('max("a", "b")', "b"),
    ("max(none)", None), ("to_integer('12.9')", 12), ("to_decimal('1')", 1.0), ("to_bigint('-9007199254740993')", -9007199254740993), ("to_float('0.1')", 0.1),
    ("json_to_object(json)", {"a": [1, 2.5, None]}),
    # user agents
    ("ua_agent_name(chrome)", "Chrome"), ("ua_agent_version(chrome)", "120.0.6099.71"), ("ua_os_name_version(chrome)", "Windows 10"),
    ("ua_device_class(chrome)", "Desktop"), ("ua_device_class(android)", "Phone"), ("ua_agent_version_major(android)", "Chrome 112"),
    ("ua_device_class(robot)", "Robot"), ("ua_os_name(name)", "Unknown"), ("ua_os_version(name)", None), ("ua_os_name(none)", None),
    # Analytics
    ('aa_get_event_id(events, "scAdd")', "abcd123"), ('aa_get_event_value(events, "event1")', "101"), ('aa_get_event_value(events, "event2")', "1"),
    ('aa_get_event_value(events, "event9")', None), ('aa_get_product_names(";A,;B;2")', ["A", "B"]), ('aa_get_product_evars(";A;;;;eVar1=x:y|eVar2=z,;B", "eVar1")', ["x:y", None]),
    # methods
    ("name.toUpperCase()", "ANN"), ("name.length()", 3), ('name.replaceAll("n", "m")', "Amm"), ('"a-b".replaceAll("(\\\\w)-(\\\\w)", "$2-$1")', "b-a"),
    ('"a,b,,".split(",")', ["a", "b"]), ('"boo:and:foo".split("o", 2)', ["b", "o:and:foo"]), ("name.substring(1)", "nn"), ('name.indexOf("n")', 1),
    ('name.contains("nn")', True), ('name.matches("A.*")', True), ("missing.toLowerCase()", None), ('map.get("a")', 1), ("list.size()", 3),
    ('"abc".charAt(1)', "b"), ('name.concat("a")', "Anna"), ("list.isEmpty()", False), ('"x".repeat(3)', "xxx"), ('"aXb".replaceFirst("X", "\\\\$")', "a$b"),
    # jmespath
    ('jmespath("items[?id].id")', [1, 2]), ('jmespath("[0]", list)', 1), ('jmespath("map.a")', 1), ("jmespath(none)", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), VALUES, ids=[text for text, _ in VALUES])
def test_values(text: str, expected: Any) -> None:
    """The expression gives the value, without a warning."""
    result = evaluate(text)
    assert result.reason is None
    assert result.value == expected
    assert type(result.value) is type(expected)


FAILING = [
    "lpad(name, 1000000000, 'x')", "replacestr(name, 'n', lpad('', 900000, 'x'))", "substr(name, 0 - 1, 2)", "instr(name, 'n', 0, 0)",
    'matches_regex(name, emoji.replace("a", "("))', "date(name)", 'date("2020-02-30")', 'date("x", pattern)', "dformat(name, 'yyyy')",
    "dformat(1e30, 'yyyy')", "format(name, 'yyyy')", "set_date_part('d', 32, when)", "make_date_time(2020, 13, 1, 0, 0, 0, 0, 'UTC')",
    "make_date_time(2020, 1, 1, 0, 0, 0, 0, name)", "date_part(name, when)", "get_keys(name)", "size_of(n)", "add_to_array(name, 1)", "to_map(none, 1)",
    "object_to_map(name)", "min(1, name)", "to_integer('3000000000')", "to_integer(name)", "to_float('1e39')", "json_to_object('{')",
    "map_get_values(name, 'a')", "name.substring(9)", "name.charAt(3)", "name.repeat(1000000)", "n.toUpperCase()", "md5(name, name)", "iif(name, 1, 2)",
    "jmespath('length(n)')", "get_url_query_str(url, name)", "transformArray(n, x -> x)", "transformArray(" * 20 + "[[1]]" + ", x -> [x, x])" * 20, 'name.replaceAll("n", "$7")',
]  # fmt: skip


@pytest.mark.parametrize("text", FAILING)
def test_failures_give_null_and_a_reason(text: str) -> None:
    """What a function cannot do nulls its attribute with a reason that quotes no value of the event."""
    result = evaluate(text)
    assert result.value is None
    assert result.reason
    assert "Ann" not in result.reason


REFUSED = [
    "fpid_to_ecid(name)", 'explode(name, "(")', 'matches_regex(name, "(a+)+(?!b)")', 'dformat(ms, "bbb")', "date(name, 'yyyy')".replace("yyyy", "yyyy''''x"),
    "date_part('z', when)", "set_date_part('week', 1, when)", "zone_date_to_zone(now(), 'Europe/Atlantis')", "sha256(name, 'EBCDIC')",
    "get_url_query_str(url, 'keep')", "to_object('a')", "to_map('a', 1, 'b')", "arrays_to_object('a')", 'jmespath("a[")', "contains_key('a..b')",
    "contains_key('')", 'name.matches("[")', "lower()", "substr(name, 1)", "uuid(1)", "nosuch(1)", "toLowerCase(name)",
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_constants_that_cannot_work_are_findings(text: str) -> None:
    """A wrong regex, pattern, zone, charset, path or number of arguments is told before anything runs."""
    with pytest.raises(MappingRefused):
        compile_expression(text)


def test_utf_16_is_javas() -> None:
    """UTF-16 is hashed big endian with a byte-order mark, as Java encodes it."""
    import hashlib

    expected = hashlib.sha256("\ufeffmy text".encode("utf-16-be")).hexdigest()
    assert evaluate('sha256("my text", "UTF-16")').value == expected


def test_an_enclosing_clock_comes_back() -> None:
    """Stopping the time is undone at the end of the block."""
    with clock.stopped(datetime(2000, 1, 1, tzinfo=UTC)):
        with clock.stopped(datetime(2001, 1, 1, tzinfo=UTC)):
            assert clock.now().year == 2001
        assert clock.now().year == 2000
    assert clock.now().year > 2020


@pytest.mark.parametrize(
    "expression",
    [
        "join(big, many)", "array_to_string(big, many)", "aa_get_product_events(commas, wide)", "aa_get_product_evars(commas, wide)",
        'big.replace("", big)', "big.repeat(1000000000)", "lpad(name, 1000000000, name)", "rpad(name, huge, big)", 'replacestr(big, "a", big)',
        'big.replaceAll("a", big)', "concat(big, big)", "to_bigint(digits)", "to_decimal(digits)", "huge.toString()", "get_url_encoded(big)",
        "contains_key(dotted)",
    ],
)  # fmt: skip
def test_no_function_works_long_on_any_event(expression: str) -> None:
    """What an event holds decides neither how much memory a function takes nor for how long it keeps a worker."""
    event = EVENT | {
        "big": "a" * 500_000, "many": ["x"] * 20_000, "commas": ";a;1;2;e=1;v=2," * 30_000, "wide": {str(n): n for n in range(20_000)},
        "huge": 10**4_000, "digits": "9" * 4_000, "dotted": "a." * 400_000,
    }  # fmt: skip
    compiled = compile_expression(expression)
    began = time.thread_time()
    value = compiled.evaluate(event).value
    assert time.thread_time() - began < 1.5
    assert not isinstance(value, str) or len(value) <= 1_000_000
