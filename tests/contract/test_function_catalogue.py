"""Every example of Adobe's function catalogue, through the real compiler.

``tests/data/data-prep-functions.csv`` is the catalogue with the page's own examples. An example that contradicts itself, or
the text beside it, is listed here with what the bridge gives, and in docs/decisions/functions.md with the reason.
"""

from __future__ import annotations

import csv
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bridge.mapping.compiler.expressions.evaluation import compile_expression
from bridge.mapping.functions import clock
from bridge.mapping.functions.catalogue import FUNCTIONS
from bridge.mapping.sets.findings import MappingRefused

ROOT = Path(__file__).parents[2]
with (ROOT / "tests/data/data-prep-functions.csv").open(encoding="utf-8", newline="") as file:
    ROWS = list(csv.DictReader(file))
EXAMPLES = {row["example_expression"]: row["example_output"] for row in ROWS if row["example_expression"]}

BOOK = {"author": "George R. R. Martin", "price": 17.99, "ISBN": "ISBN-978-0553801477"}
ADDRESSES = [
    {"line1": "345 Park Ave", "type": "home"},
    {"line1": "1 Main St", "type": "work"},
    {"line1": "2 Side St", "type": "office"},
]
EVENT = {
    "book_details": BOOK,
    "book_details2": {"author": "Someone Else", "publisher": "William Morrow"},
    "addresses": ADDRESSES,
}

# The instant at which an example must have been run.
INSTANTS = {
    "now()": datetime(2021, 10, 26, 10, 10, 24, 500_000, tzinfo=UTC),
    "timestamp()": datetime(2019, 10, 23, 17, 10, 24, 571_000, tzinfo=UTC),
    'zone_date_to_zone(now(), "Europe/Paris")': datetime(2021, 10, 26, 13, 43, 59, tzinfo=UTC),
}

RANDOM = ("uuid()", "guid()")

# Example -> what the bridge gives instead; docs/decisions/functions.md says why, under the function's name.
CONTRADICTORY: dict[str, Any] = {
    'explode("Hi, there!", " ")': ["Hi,", "there!"],
    'format(2019-10-23T11:24:00+00:00, "yyyy-MM-dd HH:mm:ss")': MappingRefused,
    'make_date_time(2019, 10, 17, 11, 55, 12, 999, "America/Los_Angeles")': "2019-10-17T11:55:12-07:00",
    'zone_date_to_zone(now(), "Europe/Paris")': "2021-10-26T15:43:59+02:00",
    'str_to_object("firstName - John ; lastName - ; - 123 345 7890", "-", ";")': {"firstName": "John", "lastName": ""},
    'map_get_values(book_details,"author")': "George R. R. Martin",
    "add_to_map(book_details, book_details2)": {**BOOK, "publisher": "William Morrow"},
    'to_bigint("1000000.34")': 1000000,
    'to_float("12.3456")': 12.3456,
    'aa_get_product_events(";Example product 1;1;4.20;event1=2.3|event2=5:1,;Example product 2;1;4.20;event1=3|event2=2:2", "event2")':
        [{"id": "1", "value": "5"}, {"id": "2", "value": "2"}],
    'fpid_to_ecid("4ed70bee-b654-420a-a3fd-b58b6b65e991")': MappingRefused,
}  # fmt: skip

# Outputs whose "..." stand for what the example leaves out.
ABRIDGED = {"object_to_map(addresses,type)": {address["type"]: address for address in ADDRESSES}}


def bare(example: str) -> str:
    """The expression without the "with/where NAME=..." that states its input (EVENT holds it)."""
    return re.split(r" (?:with|where) \w+=", example)[0]


def printed(output: str) -> Any:
    """The example's output as a value: JSON, with either quote, or bare text."""
    for text in (output, output.replace("'", '"')):
        try:
            return json.loads(text)
        except ValueError:
            continue
    return output


def evaluate(expression: str) -> Any:
    """The value over EVENT, at the instant of the example."""
    with clock.stopped(INSTANTS.get(expression, datetime(2026, 1, 1, tzinfo=UTC))):
        result = compile_expression(expression).evaluate(EVENT)
    assert result.reason is None
    return result.value


def test_every_name_of_the_catalogue_is_registered() -> None:
    """111 rows, 104 names, none missing; each alias leads to the same function."""
    assert len(ROWS) == 111
    assert len({row["name"] for row in ROWS}) == 104
    for row in ROWS:
        known = FUNCTIONS[row["name"]]
        for alias in filter(None, row["aliases"].split(" ")):
            assert FUNCTIONS[alias] is known


@pytest.mark.parametrize("row", ROWS, ids=[f"{row['name']}-{number}" for number, row in enumerate(ROWS)])
def test_category_and_availability_are_the_catalogues(row: dict[str, str]) -> None:
    """What lint says of where a function works is what Adobe says."""
    known = FUNCTIONS[row["name"]]
    assert known.availability == row["availability"]
    assert known.category == row["category"] or row["name"] == "object_to_map"
    assert known.summary.endswith(".")


PLAIN = [
    example
    for example in EXAMPLES
    if bare(example) not in CONTRADICTORY and bare(example) not in ABRIDGED and example not in RANDOM
]


@pytest.mark.parametrize("example", PLAIN)
def test_examples_give_the_printed_output(example: str) -> None:
    """The example's expression gives the example's output."""
    value = evaluate(bare(example))
    expected = printed(EXAMPLES[example])
    assert value == expected or str(value) == EXAMPLES[example]


@pytest.mark.parametrize("example", RANDOM)
def test_random_examples_have_the_printed_form(example: str) -> None:
    """Random ids have the form of the sample and differ from each other."""
    form = re.sub(r"[0-9a-f]", "x", EXAMPLES[example])
    one, two = evaluate(example), evaluate(example)
    assert one != two
    assert re.sub(r"[0-9a-f]", "x", one) == form


def test_abridged_example() -> None:
    """object_to_map keys an array by the attribute that is named without quotes."""
    for expression, expected in ABRIDGED.items():
        assert evaluate(expression) == expected


@pytest.mark.parametrize("expression", CONTRADICTORY)
def test_contradictory_examples_give_what_the_decision_says(expression: str) -> None:
    """Contradictory examples: the choice holds, the printed output does not, and the document names the function."""
    assert expression in {bare(example) for example in EXAMPLES}
    expected = CONTRADICTORY[expression]
    name = expression.split("(", maxsplit=1)[0]
    assert f"`{name}`" in (ROOT / "docs/decisions/functions.md").read_text("utf-8")
    if expected is MappingRefused:
        with pytest.raises(MappingRefused):
            compile_expression(expression)
        return
    value = evaluate(expression)
    assert value == expected
    assert value != printed(next(output for example, output in EXAMPLES.items() if bare(example) == expression))


def test_the_concat_sample_of_the_mapping_set_page() -> None:
    """concat(upper(lastName), upper(firstName), now()) prints the date as java.util.Date."""
    expression = compile_expression(
        "concat(upper(lastName), upper(firstName), zone_date_to_zone(now(), 'America/Los_Angeles'))"
    )
    with clock.stopped(datetime(2020, 9, 25, 22, 17, 31, tzinfo=UTC)):
        assert (
            expression.evaluate({"firstName": "John", "lastName": "Smith"}).value
            == "SMITHJOHNFri Sep 25 15:17:31 PDT 2020"
        )
