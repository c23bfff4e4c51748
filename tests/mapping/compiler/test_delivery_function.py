"""The cheaper function that the worker maps with gives what the plain one, the rules and the copies give."""

import copy
import json
from pathlib import Path

import pytest
from examples import examples
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.mapping.compiler.mapping_compiler import compile_mapping
from bridge.mapping.compiler.output.output_values import clean, lent
from bridge.mapping.sets.findings import MappingRefused
from bridge.mapping.sets.mapping_set import MappingRow, MappingSet
from bridge.mapping.sets.table import load_mapping_set
from bridge.mapping.values.failures import FunctionError
from bridge.settings import MappingSettings
from bridge.xdm.experience_event import ExperienceEvents
from bridge.xdm.identity.identity_map import IdentityRules
from bridge.xdm.identity.plain import plain_identities
from bridge.xdm.schema.compiled_schema import compile_schema, load_schema
from bridge.xdm.schema.policy import Policy

ROOT = Path(__file__).parents[3]
SEED = json.loads((ROOT / "tests" / "data" / "samples" / "seed-event.json").read_bytes())
SHIPPED = load_mapping_set(ROOT / "mappings" / "moengage_events.csv")
SCHEMA = compile_schema(load_schema(ROOT / "mappings" / "moengage_events.schema.json"))
DROPPING = SCHEMA.holding(Policy())
NOW = 1_731_421_200.0
ECID = "12345678901234567890123456789012345678"

numbers = st.integers() | st.sampled_from([2**63, -(2**63), 2**63 - 1, -(2**63) - 1]) | st.floats()
texts = st.sampled_from(["", " ", "null", " Anonymous ", "INVALID", "NW-1", " A@B.c ", "é" * 1025, " " * 1030, ECID])
scalars = st.none() | st.booleans() | numbers | texts | st.text(max_size=12)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
)
names = ("externalId", "email", "phone", "moengageUserId", "ecid", "ECID", "campaign_id", "campaign_name", "note")
objects = st.dictionaries(st.sampled_from(names), scalars | anything, max_size=6)
mapped = {
    "id": texts,
    "time": numbers,
    "event_uuid": scalars,
    "identities": objects,
    "user_attributes": objects,
    "event_attributes": objects,
    "device_attributes": objects,
    "event_code": scalars,
    "source": scalars,
}
events = st.dictionaries(st.sampled_from([*mapped]), scalars | anything, max_size=3).flatmap(
    lambda odd: st.fixed_dictionaries({}, optional=mapped).map(lambda event: {**SEED, **event, **odd})
)


class Plainly:
    """A mapping that only offers ``apply``: copies, and the rules for every identityMap."""

    def __init__(self, mapping):
        self.sha256 = mapping.sha256
        self.apply = mapping.apply


def pair(mapping_set, chosen, schema=None):
    """Both ways of building events with one mapping set."""
    mapping = compile_mapping(
        mapping_set,
        tenant=chosen.tenant,
        primary_identity=chosen.primary_identity[0],
        strict=chosen.strict,
    )
    return [ExperienceEvents(one, chosen, schema, clock=lambda: NOW) for one in (mapping, Plainly(mapping))]


def check(cheap, plain, event):
    """The two agree about ``event``, to the order of keys and the kinds of numbers, and neither changes it."""
    before = copy.deepcopy(event)
    one, other = cheap.build(event), plain.build(event)
    assert repr(one.xdm) == repr(other.xdm)
    assert [*one.warnings] == [*other.warnings]
    assert [*one.dropped_identities] == [*other.dropped_identities]
    assert one.rejection == other.rejection
    assert [*one.findings] == [*other.findings]
    for events, built in ((cheap, one), (plain, other)):
        made = events.straight()(event)
        if isinstance(made, dict):
            assert repr(made) == repr(built.xdm)
            assert (*built.warnings, *built.dropped_identities, *built.findings, built.rejection) == (None,)
        else:
            assert repr(made) == repr(built)
    assert repr(event) == repr(before)


@pytest.mark.parametrize("strict", [False, True], ids=["tolerant", "strict"])
@pytest.mark.parametrize("schema", [None, SCHEMA, DROPPING], ids=["unchecked", "schema", "dropping"])
def test_the_shipped_mapping_gives_the_same_event_either_way(schema, strict):
    """Any event: the same XDM, warnings, dropped identities, rejection and findings, and the event as it was."""
    cheap, plain = pair(SHIPPED, MappingSettings(strict=strict), schema)

    @settings(deadline=None)
    @given(events)
    @example(SEED)
    @example({})
    @example({**SEED, "user_attributes": {"n": 1, "f": 2.5, "b": True, "tags": ["a"], "none": None}})
    @example({**SEED, "user_attributes": "text", "event_attributes": {"campaign_id": 7}, "event_name": ["x"]})
    @example({**SEED, "user_attributes": {"empty": {}, "null": None, "big": 2**63, "tags": ["a", None, {}]}})
    @example({**SEED, "id": "a b"})
    @example({**SEED, "id": "a:b/c"})
    @example({**SEED, "id": ""})
    @example({**SEED, "id": 7})
    @example({**SEED, "time": 4_000_000_000})
    @example({**SEED, "time": 1_000_000})
    def agree(event):
        check(cheap, plain, event)

    agree()


@pytest.mark.parametrize("schema", [None, DROPPING], ids=["unchecked", "dropping"])
def test_an_event_of_which_nothing_is_to_be_said_comes_without_words(schema):
    """Once its second is known to be right; an id, a time or an identity that wants a look brings everything that build gives."""
    events, _ = pair(SHIPPED, MappingSettings(), schema)
    straight = events.straight()
    assert straight(SEED) == events.build(SEED)
    assert straight(SEED) == events.build(SEED).xdm
    for odd in ({"id": "a b"}, {"id": None}, {"time": None}, {"identities": {"externalId": "x" * 2_000}}):
        assert straight({**SEED, **odd}) == events.build({**SEED, **odd})


TEXT, INTEGER = {"type": "string"}, {"type": "integer"}
field_schemas = st.recursive(
    st.sampled_from(
        [TEXT, INTEGER, {}, {"type": "boolean"}, {"type": "string", "format": "date-time"}, {"type": "string", "enum": ["a"]}]
    ),
    lambda inner: st.one_of(
        st.builds(lambda of, needed: {"properties": of, "required": needed},
                  st.dictionaries(st.sampled_from("abc"), inner, min_size=1), st.lists(st.sampled_from("abc"), max_size=1)),
        st.builds(lambda of: {"type": "object", "additionalProperties": of}, inner),
        st.builds(lambda of: {"properties": {"a": TEXT}, "additionalProperties": of}, inner | st.just(False)),
        st.builds(lambda of: {"type": "array", "items": of, "minItems": 1}, inner),
    ),
    max_leaves=6,
)  # fmt: skip
written = st.lists(
    st.tuples(
        st.sampled_from(["a", "a.b", "a.b.c", "a[0].b", "a[*].c", "b", "b.a", "c", "timestamp", "eventType"]),
        st.sampled_from(
            [
                ("ATTRIBUTE", "user_attributes.x"),
                ("ATTRIBUTE", "user_attributes"),
                ("ATTRIBUTE", "event_attributes.list[*].y"),
                ("EXPRESSION", "coalesce(user_attributes.x, event_attributes.z)"),
                ("EXPRESSION", "date(user_attributes.x)"),
                ("STATIC", "a"),
            ]
        ),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda pair: pair[0],
)
loose = st.fixed_dictionaries(
    {},
    optional={
        "user_attributes": st.fixed_dictionaries(
            {}, optional={"x": anything | st.sampled_from(["a", "2024-11-12"]), "a": anything}
        ),
        "event_attributes": st.fixed_dictionaries(
            {}, optional={"z": anything, "list": st.lists(st.fixed_dictionaries({"y": anything}), max_size=2)}
        ),
    },
)


@settings(deadline=None, max_examples=examples(400))
@given(written, st.dictionaries(st.sampled_from(["a", "b", "c", "eventType"]), field_schemas), st.booleans(), loose,
       st.lists(st.sampled_from(["a", "identityMap"]), max_size=1))  # fmt: skip
def test_a_check_fused_into_any_mapping_is_the_check_after_it(rows, fields, firm, event, required):
    """Any rows under any schema and policy: looking at each value as it is written says and sends what the whole check does."""
    lines = [("ATTRIBUTE", "id", "_id"), ("ATTRIBUTE", "identities.externalId", "identityMap.lumaCrmId[0].id")]
    lines += [(kind, source, target) for target, (kind, source) in rows]
    if all(target != "timestamp" for target, _ in rows):
        lines.append(("STATIC", "2024-11-12T14:20:00Z", "timestamp"))
    found = tuple(MappingRow(line, *row, None, None) for line, row in enumerate(lines, 2))
    known = {"_id": {**TEXT, "format": "uri-reference"}, "timestamp": {**TEXT, "format": "date-time"}, **fields}
    schema = compile_schema({"properties": known, "required": ["timestamp", *required]}).holding(Policy(firm=firm))
    try:
        cheap, plain = pair(MappingSet(found, SHIPPED.sha256, SHIPPED.path), MappingSettings(), schema)
    except MappingRefused:
        return  # destinations that cannot stand together
    check(cheap, plain, {**SEED, **event})


cells = st.lists(
    st.tuples(
        st.sampled_from(["lumaCrmId", "Email", "PHONE", "ECID", "other", " "]),
        st.sampled_from([0, 0, 0, 1]),
        st.sampled_from(["id", "id", "id", "primary", "authenticatedState"]),
        st.sampled_from(
            [
                ("ATTRIBUTE", "identities.externalId"),
                ("ATTRIBUTE", "identities.email"),
                ("ATTRIBUTE", "identities.phone"),
                ("EXPRESSION", "coalesce(identities.ecid, identities.ECID)"),
                ("STATIC", "authenticated"),
            ]
        ),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda cell: cell[:3],
)


@settings(deadline=None)  # each example compiles two functions
@given(cells, st.booleans(), st.lists(st.sampled_from(["lumaCrmId", "Email", "other", "ECID"]), min_size=1), objects)
def test_any_rows_for_the_identity_map_give_the_same_event_either_way(cells, whole, priority, identities):
    """Several items, states, flags, a map copied whole below: where the short way does not hold it is not taken."""
    rows = [("ATTRIBUTE", "user_attributes.map", "identityMap")] if whole else []
    rows += [(kind, source, f'identityMap["{name}"][{at}].{key}') for name, at, key, (kind, source) in cells]
    rows += [("ATTRIBUTE", "id", "_id"), ("STATIC", "2024-11-12T14:20:00Z", "timestamp")]
    found = tuple(MappingRow(line, *row, None, None) for line, row in enumerate(rows, 2))
    mapping_set = MappingSet(found, SHIPPED.sha256, SHIPPED.path)
    cheap, plain = pair(mapping_set, MappingSettings(primary_identity=tuple(dict.fromkeys(priority))))
    check(cheap, plain, {**SEED, "identities": identities, "user_attributes": {"map": {"Email": [{"id": "a@b.c"}]}}})


@given(
    st.lists(
        st.tuples(st.sampled_from(["lumaCrmId", "Email", "phone", "ECID", "x"]), scalars), unique_by=lambda p: p[0]
    ),
    st.lists(st.sampled_from(["lumaCrmId", "email", "Email", "x", "absent"]), min_size=1),
)
def test_plain_identities_are_what_the_rules_make_of_them(pairs, priority):
    """The generated function gives the rules' own identityMap, or leaves the event to them."""
    function = plain_identities([namespace for namespace, _ in pairs], priority)
    if function is None:
        assert not pairs or not {namespace for namespace, _ in pairs} & {*priority}
        return
    found = function(*(value for _, value in pairs))
    raw = {namespace: [{"id": value, "primary": "x"}] for namespace, value in pairs if value is not None}
    ruled, dropped, rejection = IdentityRules(priority).apply(raw)
    if found is not None:
        assert repr(found) == repr(ruled)
        assert not dropped
        assert rejection is None
    else:
        assert dropped or rejection or any(value is not None and type(value) is not str for _, value in pairs)


@given(anything)
def test_what_is_lent_is_what_a_copy_would_hold(value):
    """Nothing that pruning would change is lent, and what JSON cannot hold is refused either way."""
    try:
        wanted = clean(value)
    except FunctionError as error:
        with pytest.raises(FunctionError, match=str(error)):
            lent(value)
    else:
        assert repr(lent(value)) == repr(wanted)
