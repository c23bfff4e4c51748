"""An example for each function and method; what it gives is computed when it is shown, so that it cannot be wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.mapping.functions import clock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.mapping.functions.registry import Function

NOW: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
"""What the clock says in examples."""
_UA: Final = (
    '{"ua": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)'
    ' Version/17.5 Mobile/15E148 Safari/604.1"}'
)
_URL: Final = '{"url": "https://shop.example:8443/a/b?ref=mail#top"}'
_ITEMS: Final = '{"items": [{"sku": "A-1", "price": 20}, {"sku": "B-2", "price": 45.5}]}'
_PRODUCTS: Final = '{"p": "Shoes;Boot;1;59.90;event3=5:x1;eVar1=red,Hats;Cap;2;30.00;event3=7:x2;eVar1=blue"}'

Written = tuple[str, str]
"""Expression, and the event that it reads."""

_EXAMPLES: Final[Mapping[str, Sequence[Written]]] = {
    "concat": [('concat("Hi ", name, "!")', '{"name": "Asha"}')],
    "explode": [('explode("news, shoes", ", ")', "{}")],
    "instr": [('instr("adobe.com", "com")', "{}")],
    "replacestr": [('replacestr("2024/11/12", "/", "-")', "{}")],
    "substr": [('substr("campaign-42", 9, 2)', "{}")],
    "lower": [('lower("Asha@Example.com")', "{}")],
    "upper": [("upper(tier)", '{"tier": "gold"}')],
    "split": [('split("a,b,c", ",")', "{}")],
    "join": [('join(" ", to_array(true, first, last))', '{"first": "Asha", "last": "Rao"}')],
    "lpad": [('lpad("42", 5, "0")', "{}")],
    "rpad": [('rpad("42", 5, "-")', "{}")],
    "left": [('left("2024-11-12", 4)', "{}")],
    "right": [('right("+44 20 7946", 4)', "{}")],
    "ltrim": [('ltrim("  x")', "{}")],
    "rtrim": [('rtrim("x  ")', "{}")],
    "trim": [('trim("  x  ")', "{}")],
    "equals": [('equals("a", "A")', "{}")],
    "equalsIgnoreCase": [('equalsIgnoreCase("a", "A")', "{}")],
    "aa_get_event_id": [('aa_get_event_id("event101=5:123456,scOpen", "event101")', "{}")],
    "aa_get_event_value": [('aa_get_event_value("event101=5:123456,scOpen", "event101")', "{}")],
    "aa_get_product_categories": [("aa_get_product_categories(p)", _PRODUCTS)],
    "aa_get_product_names": [("aa_get_product_names(p)", _PRODUCTS)],
    "aa_get_product_quantities": [("aa_get_product_quantities(p)", _PRODUCTS)],
    "aa_get_product_prices": [("aa_get_product_prices(p)", _PRODUCTS)],
    "aa_get_product_event_values": [('aa_get_product_event_values(p, "event3")', _PRODUCTS)],
    "aa_get_product_events": [('aa_get_product_events(p, "event3")', _PRODUCTS)],
    "aa_get_product_event_ids": [('aa_get_product_event_ids(p, "event3")', _PRODUCTS)],
    "aa_get_product_evars": [('aa_get_product_evars(p, "eVar1")', _PRODUCTS)],
    "decode": [
        (
            'decode(code, "MOE_EMAIL_OPEN", "opened", "MOE_EMAIL_CLICK", "clicked", "other")',
            '{"code": "MOE_EMAIL_CLICK"}',
        )
    ],
    "iif": [('iif(total > 100, "large", "small")', '{"total": 129.5}')],
    "coalesce": [('coalesce(coupon, campaign, "none")', '{"coupon": null, "campaign": "Autumn"}')],
    "first": [('first("news", "shoes")', "{}")],
    "last": [('last("news", "shoes")', "{}")],
    "add_to_array": [('add_to_array(["a", "b"], "c")', "{}")],
    "join_arrays": [('join_arrays(["a"], ["b", "c"])', "{}")],
    "to_array": [('to_array(false, "a", null, "b")', "{}")],
    "size_of": [("size_of(items)", _ITEMS)],
    "upsert_array_append": [("upsert_array_append([123, 456])", "{}")],
    "upsert_array_replace": [("upsert_array_replace([123, 456], 1)", "{}")],
    "array_to_string": [('array_to_string("; ", ["a", "b"])', "{}")],
    "filterArray": [("filterArray(items, x -> x.price > 30)", _ITEMS)],
    "transformArray": [('transformArray(items, x -> to_object("SKU", x.sku))', _ITEMS)],
    "flattenArray": [('flattenArray([["a", "b"], ["c"]])', "{}")],
    "to_bigint": [('to_bigint("9007199254740993")', "{}")],
    "to_integer": [('to_integer("42")', "{}")],
    "to_decimal": [('to_decimal("20.5")', "{}")],
    "to_float": [('to_float("12.3456")', "{}")],
    "json_to_object": [("json_to_object(text)", '{"text": "{\\"tier\\": \\"gold\\"}"}')],
    "min": [("min(3, 1, 2)", "{}")],
    "max": [("max(3, 1, 2)", "{}")],
    "now": [("now()", "{}")],
    "timestamp": [("timestamp()", "{}")],
    "format": [('format(date("2024-11-12"), "dd MMM yyyy")', "{}")],
    "dformat": [("dformat(time * 1000, \"yyyy-MM-dd'T'HH:mm:ssX\")", '{"time": 1731421200}')],
    "date": [
        ('date("2024-11-12")', "{}"),
        ('date("12.11.2024 14:20", "dd.MM.yyyy HH:mm")', "{}"),
        ('date(born, "MM/dd/yyyy", date("1970-01-01"))', '{"born": null}'),
    ],
    "date_part": [('date_part("yyyy", date("2024-11-12"))', "{}")],
    "set_date_part": [('set_date_part("m", 4, date("2024-11-12"))', "{}")],
    "make_date_time": [('make_date_time(2024, 11, 12, 14, 20, 0, 0, "Europe/Berlin")', "{}")],
    "zone_date_to_utc": [('zone_date_to_utc(date("2024-11-12 14:20:00+0100"))', "{}")],
    "zone_date_to_zone": [('zone_date_to_zone(date("2024-11-12 14:20:00"), "Asia/Kolkata")', "{}")],
    "sha1": [('sha1("a")', "{}")],
    "sha256": [("sha256(lower(trim(email)))", '{"email": " Asha@example.com"}')],
    "sha512": [('left(sha512("a"), 16)', "{}")],
    "md5": [('md5("a")', "{}")],
    "crc32": [('crc32("a")', "{}")],
    "is_empty": [('is_empty([null, "a", ""])', "{}")],
    "to_object": [('to_object("sku", sku, "quantity", 1)', '{"sku": "A-1"}')],
    "arrays_to_objects": [('arrays_to_objects("SKU", items[*].sku, "priceTotal", items[*].price)', _ITEMS)],
    "str_to_object": [('str_to_object("a=1;b=2", "=", ";")', "{}")],
    "get_values": [('get_values("a=1;b=2", "b", "=", ";")', "{}")],
    "get": [('get({"a": 1, "b": 2}, "b")', "{}")],
    "nullify": [("nullify()", "{}")],
    "get_keys": [("get_keys(order)", '{"order": {"id": 1, "total": 2}}')],
    "contains_key": [('contains_key("order.total")', '{"order": {"total": null}}')],
    "is_set": [('is_set("order.total")', '{"order": {"total": null}}')],
    "to_map": [('to_map("colour", "red", "size", 42)', "{}")],
    "object_to_map": [("object_to_map(items, sku)", _ITEMS)],
    "array_to_map": [("array_to_map(items, sku)", _ITEMS)],
    "map_get_values": [('map_get_values(m, "a")', '{"m": {"a": 1, "b": 2}}')],
    "map_has_keys": [('map_has_keys(m, "a")', '{"m": {"a": 1, "b": 2}}')],
    "add_to_map": [('add_to_map(m, {"c": 3})', '{"m": {"a": 1}}')],
    "extract_regex": [('extract_regex("order-42 of 2024", "(\\\\d+) of (\\\\d+)")', "{}")],
    "matches_regex": [('matches_regex("A-42", "[A-Z]-\\\\d+")', "{}")],
    "uuid": [("uuid().length()", "{}")],
    "jmespath": [('jmespath("items[?price > `30`].sku")', _ITEMS)],
    "get_url_protocol": [("get_url_protocol(url)", _URL)],
    "get_url_host": [("get_url_host(url)", _URL)],
    "get_url_port": [("get_url_port(url)", _URL)],
    "get_url_path": [("get_url_path(url)", _URL)],
    "get_url_query_str": [('get_url_query_str(url, "remove")', _URL)],
    "get_url_encoded": [('get_url_encoded("a b&c")', "{}")],
    "get_url_decoded": [('get_url_decoded("a%20b%26c")', "{}")],
    "ua_os_name": [("ua_os_name(ua)", _UA)],
    "ua_os_version_major": [("ua_os_version_major(ua)", _UA)],
    "ua_os_version": [("ua_os_version(ua)", _UA)],
    "ua_os_name_version": [("ua_os_name_version(ua)", _UA)],
    "ua_agent_version": [("ua_agent_version(ua)", _UA)],
    "ua_agent_version_major": [("ua_agent_version_major(ua)", _UA)],
    "ua_agent_name": [("ua_agent_name(ua)", _UA)],
    "ua_device_class": [("ua_device_class(ua)", _UA)],
}
_METHOD_EXAMPLES: Final[Mapping[str, Sequence[Written]]] = {
    "toLowerCase": [('"GOLD".toLowerCase()', "{}")],
    "toUpperCase": [('"gold".toUpperCase()', "{}")],
    "strip": [('"  x  ".strip()', "{}")],
    "isBlank": [('"  ".isBlank()', "{}")],
    "contains": [('"Email Sent".contains("Email")', "{}")],
    "endsWith": [('"Email Sent".endsWith("Sent")', "{}")],
    "startsWith": [('"Email Sent".startsWith("Email")', "{}")],
    "substring": [('"Email Sent".substring(0, 5)', "{}")],
    "indexOf": [('"Email Sent".indexOf("S")', "{}")],
    "lastIndexOf": [('"banana".lastIndexOf("a")', "{}")],
    "charAt": [('"Email".charAt(0)', "{}")],
    "repeat": [('"ab".repeat(2)', "{}")],
    "replace": [('"a.b.c".replace(".", "-")', "{}")],
    "compareTo": [('"a".compareTo("b")', "{}")],
    "matches": [('"A-42".matches("[A-Z]-\\\\d+")', "{}")],
    "replaceAll": [('"a1b22".replaceAll("\\\\d+", "#")', "{}")],
    "replaceFirst": [('"a1b22".replaceFirst("\\\\d+", "#")', "{}")],
    "split": [('"a1b22c".split("\\\\d+")', "{}")],
    "length": [('"Email".length()', "{}")],
    "size": [("items.size()", _ITEMS)],
    "isEmpty": [('"".isEmpty()', "{}")],
    "toString": [("total.toString()", '{"total": 20.5}')],
    "containsKey": [('order.containsKey("total")', '{"order": {"total": 2}}')],
    "stripLeading": [('"  x".stripLeading()', "{}")],
    "stripTrailing": [('"x  ".stripTrailing()', "{}")],
}


class Example(NamedTuple):
    """An expression, the event (JSON) it was evaluated over, and the value as JSON; ``reason`` why that is null."""

    expression: str
    event: str
    shown: str
    reason: str | None


def examples_of(function: Function) -> list[Example]:
    """The examples of a function, evaluated; none of a function that is refused."""
    from bridge.mapping.compiler.expressions.evaluation import compile_expression  # noqa: PLC0415 - it imports the functions

    table = _METHOD_EXAMPLES if function.category == "Java methods" else _EXAMPLES
    names = (function.name, *function.aliases)
    found = []
    with clock.stopped(NOW):
        for expression, event in next((table[name] for name in names if name in table), ()):
            evaluated = compile_expression(expression).evaluate(json.loads(event))
            shown = json.dumps(evaluated.value, ensure_ascii=False)
            found.append(Example(expression, event, shown, evaluated.reason))
    return found
