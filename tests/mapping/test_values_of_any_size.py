"""Numbers that XDM cannot hold cost at most themselves, and integers keep their digits."""

import json
from pathlib import Path

import pytest

from bridge.mapping.compiler.expressions.evaluation import compile_expression
from bridge.mapping.compiler.mapping_compiler import compile_mapping
from bridge.mapping.lint.rules import lint
from bridge.mapping.sets.table import load_mapping_set, read_mapping_set
from bridge.settings import MappingSettings
from bridge.xdm.experience_event import ExperienceEvents
from bridge.xdm.schema.compiled_schema import compile_schema, load_schema

ROOT = Path(__file__).parents[2]
SEED = json.loads((ROOT / "tests" / "data" / "samples" / "seed-event.json").read_bytes())
SCHEMA = compile_schema(load_schema(ROOT / "mappings" / "moengage_events.schema.json"))
SIZES = [2**63, 2**64 - 1, 2**64, -(2**63) - 1, 10**23, -(10**40)]


def sent(attributes, schema=None):
    """The map of event attributes that leaves, and the reasons of warnings."""
    mapping = compile_mapping(
        load_mapping_set(ROOT / "mappings" / "moengage_events.csv"), tenant="_yourorgname", primary_identity="lumaCrmId"
    )
    event = {**SEED, "event_attributes": attributes}
    outcomes = []
    for one in (mapping, type("Plain", (), {"sha256": "", "apply": mapping.apply})()):
        built = ExperienceEvents(one, MappingSettings(), schema).build(event)
        assert built.rejection is None
        outcomes.append((built.xdm["_yourorgname"].get("eventAttributesJson"), [w.reason for w in built.warnings]))
    assert outcomes[0] == outcomes[1]
    return outcomes[0]


@pytest.mark.parametrize("number", SIZES)
@pytest.mark.parametrize("schema", [None, SCHEMA], ids=["without", "with"])
def test_integers_beyond_64_bits_keep_their_digits(number, schema):
    """As text, also deep within the map, and their neighbours stay."""
    attributes, warnings = sent({"keep": "me", "n": number}, schema)
    assert (attributes, warnings) == ({"keep": "me", "n": str(number)}, [])
    deep, _ = sent({"keep": "me", "ids": [1, number], "o": {"n": number}}, schema)
    assert deep["keep"] == "me"
    assert str(number) in json.dumps(deep["ids"])
    assert str(number) in json.dumps(deep["o"])


@pytest.mark.parametrize("schema", [None, SCHEMA], ids=["without", "with"])
def test_what_json_cannot_hold_costs_itself_and_a_warning(schema):
    """Not its neighbours, at any depth."""
    attributes, warnings = sent({"keep": "me", "n": float("inf"), "o": {"k": "x", "m": float("nan")}}, schema)
    assert attributes["keep"] == "me"
    assert "n" not in attributes
    assert "x" in str(attributes["o"])
    assert "m" not in str(attributes["o"]).replace("me", "")
    assert warnings == ["the number is not finite"]


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ({"type": "string"}, str(2**63), str(2**63)),
        ({"type": "number"}, str(2**64), float(2**64)),
        ({"type": "number"}, 10**30, 1e30),
        ({"type": "integer"}, 2**63 - 1, 2**63 - 1),
        ({"type": "integer"}, str(2**63), "xdm_range"),
        ({"type": "integer"}, 2**63, "xdm_range"),
        ({"type": "number"}, 10**400, "xdm_range"),
    ],
)
def test_large_numbers_into_fields(field, value, wanted):
    """A number is a double, an integer has 64 bits; beyond them the value is refused, with the code for it."""
    xdm, _, violations = compile_schema({"properties": {"f": field}}).check({"f": value})
    assert [each.code for each in violations] == ([wanted] if wanted == "xdm_range" else [])
    if not violations:
        assert (xdm["f"], type(xdm["f"])) == (wanted, type(wanted))


@pytest.mark.parametrize(
    "expression",
    ["sha256(a)", "lower(a)", "concat('x', a)", "trim(o)", "replacestr(o, 'a', 'b')", "md5(o)", "split(a, ',')"],
)
def test_text_functions_want_text(expression):
    """Of arrays and objects they give null with a reason, as Adobe's editor refuses them."""
    got = compile_expression(expression).evaluate({"a": ["x", None], "o": {"k": 1}})
    assert got.value is None
    assert got.reason is not None
    assert "stands where text is wanted" in got.reason


def test_lint_tells_of_arrays_as_text():
    """A path with [*] is an array whatever the event holds."""
    mapping = read_mapping_set(b"source,destination\nsha256(items[*].sku),x\n")
    found = [one for one in lint(mapping, tenant="_t", primary_identity="x") if one.code == "text_wanted"]
    assert [(one.row, one.severity) for one in found] == [(2, "warning")]
    made = compile_mapping(mapping, tenant="_t", primary_identity="x")
    out, warnings = made.apply({"items": [{"sku": "A"}]})
    assert out == {}
    assert len(warnings) == 1


def test_json_text_keeps_the_digits_of_its_integers():
    """json_to_object reads integers of any size exactly."""
    got = compile_expression("json_to_object(t)").evaluate({"t": '{"id": 12345678901234567890123, "n": 1.5}'})
    assert got.value == {"id": "12345678901234567890123", "n": 1.5}
    assert compile_expression("json_to_object(t)").evaluate({"t": '{"id": 1234567890123456789, NaN}'}).value is None


def test_nothing_moves_to_its_neighbour_s_element():
    """An empty object, or a number that cannot stand, leaves its place in an array that rows fill side by side."""
    rows = b"source,destination\nitems[*].o,x[*].o\nitems[*].n,x[*].n\nitems[*].s,x[*].s\n"
    made = compile_mapping(read_mapping_set(rows), tenant="_t", primary_identity="x")
    items = [{"o": {}, "n": float("inf"), "s": "1"}, {"o": {"k": "2"}, "n": 2, "s": "2"}]
    out, warnings = made.apply({"items": items})
    assert out == {"x": [{"s": {"s": "1"}}, {"o": {"o": {"k": "2"}}, "n": {"n": 2}, "s": {"s": "2"}}]}
    assert [warning.reason for warning in warnings] == ["the number is not finite"]
