"""For any arguments at all: a value or an ordinary error, soon; and specialisation changes nothing but speed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.mapping.compiler.expressions.evaluation import as_json
from bridge.mapping.functions.catalogue import FUNCTIONS, METHODS
from bridge.mapping.functions.registry import NOT_CONSTANT, Attribute, Function, FunctionError

WORDS = st.sampled_from(["", "a", "a,b;c", "2020-01-01", "yyyy-MM-dd", "UTC", "Europe/Paris", "12", "1.5", "UTF-8", "[0-9]+", "(a)|b", "a.b[0]",
                         "http://h:80/p?q=1#f", "{}", "month", "remove", "w", ";n;1;2;event1=2:3;eVar1=x", "y", "true", "$1"])  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers(-100, 10**13) | st.floats() | WORDS | st.text(max_size=8)
ARGUMENTS = st.recursive(
    SCALARS | st.datetimes(timezones=st.just(UTC)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)
KNOWN = {known.name: known for known in FUNCTIONS.values()} | {f".{known.name}": known for known in METHODS.values()}


def some_arguments(known: Function, data: st.DataObject) -> list[Any]:
    """As many arguments as the function takes, of any type."""
    fewest, most = known.arity
    count = data.draw(st.integers(fewest, fewest + 4 if most is None else most))
    given_arguments = []
    for place in range(count):
        kind = known.parameters[min(place, len(known.parameters) - 1)].kind
        if kind == "lambda":
            given_arguments.append(data.draw(st.sampled_from([lambda value: value, lambda value: value == 1])))
        elif kind == "attribute" and data.draw(st.booleans()):
            given_arguments.append(Attribute("a", data.draw(SCALARS)))
        else:
            given_arguments.append(data.draw(ARGUMENTS))
    return given_arguments


def outcome(call: Any, arguments: list[Any]) -> tuple[str, Any]:
    """The value as JSON text (NaN equals itself there), or that it failed."""
    try:
        return "value", orjson.dumps(as_json(call(*arguments)), option=orjson.OPT_NON_STR_KEYS)
    except (FunctionError, TypeError, ValueError, AttributeError, KeyError, IndexError, OverflowError) as error:
        return "error", isinstance(error, FunctionError)


@pytest.mark.parametrize("name", sorted(KNOWN))
@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_specialisation_changes_nothing(name: str, data: st.DataObject) -> None:
    """Whichever arguments are constants, the specialised callable gives what the plain one gives, or refuses what fails."""
    known = KNOWN[name]
    arguments = some_arguments(known, data)
    event = [{"a": {"b": [1]}}] if known.needs_event else []
    plain = outcome(known.call, event + arguments)
    if known.specialize is None or not known.pure:
        return
    constant = data.draw(st.lists(st.booleans(), min_size=len(arguments), max_size=len(arguments)))
    folded = [
        NOT_CONSTANT if not fixed or isinstance(value, Attribute) or callable(value) else value
        for value, fixed in zip(arguments, constant, strict=True)
    ]
    try:
        special = known.specialize(folded) or known.call
    except FunctionError:
        # A constant that is refused can only have failed, or have met a null before it was looked at.
        assert plain[0] == "error" or plain[1] in (b"null", b"false")
        return
    assert outcome(special, event + arguments) == plain


@given(st.lists(st.tuples(SCALARS, st.integers()), max_size=5), SCALARS, st.booleans())
def test_decode_is_its_definition(pairs: list[tuple[Any, int]], key: Any, has_default: bool) -> None:
    """The first pair whose key is the same, else the default, else null; true is never 1."""
    options = [part for pair in pairs for part in pair] + ([-1] if has_default else [])
    same = [value for known, value in pairs if known == key and isinstance(known, bool) == isinstance(key, bool)]
    expected = same[0] if same else (-1 if has_default else None)
    assert FUNCTIONS["decode"].call(key, *options) == expected


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_decoding_undoes_encoding(text: str) -> None:
    """get_url_decoded is the inverse of get_url_encoded."""
    assert FUNCTIONS["get_url_decoded"].call(FUNCTIONS["get_url_encoded"].call(text)) == text


@given(st.datetimes(timezones=st.just(UTC)), st.sampled_from(["year", "month", "day", "hour", "minute", "second"]))
def test_setting_a_part_to_itself_changes_nothing(date: datetime, part: str) -> None:
    """set_date_part and date_part agree on what a part is."""
    assert FUNCTIONS["set_date_part"].call(part, FUNCTIONS["date_part"].call(part, date), date) == date.replace(
        microsecond=0
    )
