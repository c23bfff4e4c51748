"""What a row made of a value is kept for the next event with the same: never another result than without."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.mapping.compiler import recurring
from bridge.mapping.compiler.mapping_compiler import CompiledMapping, compile_mapping
from bridge.mapping.compiler.recurring import Recurring, recurring_path
from bridge.mapping.sets.table import read_mapping_set
from bridge.mapping.syntax.parser import parse_expression
from bridge.mapping.syntax.paths import print_path

ROWS = b"""source_type,source,destination
EXPRESSION,"decode(code, ""A"", ""first"", ""1"", ""text one"", 1, ""number one"", true, ""yes"", concat(""other."", code))",a
EXPRESSION,"dformat(at * 1000, ""yyyy-MM-dd'T'HH:mm:ssX"")",b
EXPRESSION,"iif(code == null, nullify(), decode(upper(code), ""A"", ""same""))",c
"""


def compiled() -> CompiledMapping:
    """A set of which nothing has been seen yet."""
    return compile_mapping(read_mapping_set(ROWS), tenant="_t", primary_identity="crm")


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=3),
    st.sampled_from(["A", "a", "1", 1, 1.0, True, 0, 0.0, False, "x" * 65, [], ["A"], {}]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.fixed_dictionaries({"code": values, "at": values}), max_size=12))
def test_the_same_as_if_each_event_were_the_first(events: list[dict[str, Any]]):
    """Output and warnings of a set that has seen others before are those of a fresh one, for values that Python holds equal, too."""
    seen = compiled()
    for event in events:
        # Not the repr: nan equals nothing, and True is printed unlike 1.
        assert repr(seen.apply(event)) == repr(compiled().apply(event))


@pytest.mark.parametrize(
    ("expression", "path"),
    [
        ('decode(code, "A", "first")', "code"),
        ('dformat(a.time * 1000, "yyyy")', "a.time"),
        ('decode(decode(code, "A", "B", "x"), "x", concat("moengage.", code), "y")', "code"),
        ("lower(trim(email))", None),
        ('decode(code, "A", other)', None),
        ('dformat(now(), "yyyy")', None),
        ('concat(uuid(), decode(code, "A", "first"))', None),
        ('iif(contains_key("code"), decode(code, "A", "first"), "none")', None),
        ('join(",", transformArray(codes, code -> decode(code, "A", "first")))', None),
    ],
)
def test_which_rows_are_kept(expression: str, path: str | None):
    """Rows of codes and instants that depend on one path and on nothing else: neither the clock nor the rest of the event."""
    found = recurring_path(parse_expression(expression))
    assert (None if found is None else print_path(found)) == path


def test_no_more_is_kept_than_fits(monkeypatch: pytest.MonkeyPatch):
    """Short keys and texts only, and so many of them; what fails is tried again each time."""
    monkeypatch.setattr(recurring, "_MOST", 3)
    asked: list[Any] = []

    def compute(value: Any) -> Any:
        asked.append(value)
        if value == "bad":
            raise ValueError("bad")
        return None if value == "none" else str(value)

    kept = Recurring(compute)
    assert [kept[value] for value in ("a", "a", 1, 1)] == ["a", "a", "1", "1"]
    assert asked == ["a", 1]
    assert [kept["none"], kept["none"], kept["y" * 65]] == [None, None, "y" * 65]
    for _ in range(2):
        with pytest.raises(ValueError, match="bad"):
            kept["bad"]
    assert asked[2:] == ["none", "none", "y" * 65, "bad", "bad"]
    for value in ("b", "c", "d"):
        assert kept[value] == value
    assert dict(kept) == {"c": "c", "d": "d"}
