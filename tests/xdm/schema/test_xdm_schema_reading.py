"""Reading an XDM schema document into fields."""

import json
from pathlib import Path

import pytest

from bridge.xdm.schema.compiled_schema import SchemaError, compile_schema, load_schema
from bridge.xdm.schema.schema_reading import MAX_FIELDS, read_schema

SHIPPED = Path(__file__).parents[3] / "mappings" / "moengage_events.schema.json"


def field(raw, **more):
    """One property of a schema that has only it."""
    return read_schema({"type": "object", "properties": {"f": raw}, **more}).properties["f"]


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        ({"type": "string"}, "string"),
        ({"type": "integer"}, "integer"),
        ({"type": "number"}, "number"),
        ({"type": "boolean"}, "boolean"),
        ({"type": "array", "items": {"type": "string"}}, "array"),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, "object"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "map"),
        ({"type": "object", "meta:xdmType": "map", "additionalProperties": {"type": "string"}}, "map"),
        ({"type": "object"}, "map"),
        ({"type": "object", "additionalProperties": False}, "object"),
        ({"meta:xdmType": "long"}, "integer"),
        ({"meta:xdmType": "double"}, "number"),
        ({"meta:xdmType": "date-time"}, "string"),
        ({"properties": {"a": True}}, "object"),
        ({"items": {"type": "string"}}, "array"),
        ({"type": ["string", "null"]}, "string"),
        ({"type": ["string", "number"]}, "any"),
        ({}, "any"),
        (True, "any"),
    ],
)
def test_kinds(raw, kind):
    """The kind follows type, then meta:xdmType, then what the keywords imply."""
    assert field(raw).kind == kind


def test_composition_merges_properties_at_every_depth():
    """Parts by allOf and $ref contribute to the same object; required names add up; the outer part's words win."""
    root = read_schema(
        {
            "allOf": [
                {"properties": {"t": {"properties": {"a": {"type": "string", "title": "first"}}, "required": ["a"]}}},
                {"$ref": "#/definitions/more"},
            ],
            "definitions": {
                "more": {
                    "properties": {"t": {"properties": {"a": {"title": "second"}, "b": {"$ref": "#/$defs/n~1m"}}}},
                    "required": ["t"],
                }
            },
            "$defs": {"n/m": {"type": "integer", "minimum": 1}},
        }
    )
    inner = root.properties["t"]
    assert list(inner.properties) == ["a", "b"]
    assert inner.properties["a"].title == "first"
    assert (inner.properties["b"].kind, inner.properties["b"].minimum) == ("integer", 1)
    assert (root.required, inner.required) == (frozenset({"t"}), frozenset({"a"}))


def test_enums_of_composed_parts_intersect():
    """A value must satisfy every part."""
    assert field({"allOf": [{"enum": ["a", "b"]}, {"enum": ["b", "c"]}]}).enum == ("b",)
    assert field({"const": 3}).enum == (3,)


def test_same_definition_used_twice_is_no_circle():
    """A diamond of references is resolved on both sides."""
    root = read_schema(
        {
            "allOf": [{"$ref": "#/definitions/a"}, {"$ref": "#/definitions/b"}],
            "definitions": {
                "a": {"properties": {"x": {"type": "string"}}},
                "b": {"allOf": [{"$ref": "#/definitions/a"}], "properties": {"y": {"$ref": "#/definitions/a"}}},
            },
        }
    )
    assert root.properties["y"].properties["x"].kind == "string"
    assert root.properties["y"].unenforced == ()


def test_circular_reference_stays_open():
    """A definition that contains itself is checked once around and open below."""
    schema = compile_schema(
        {
            "properties": {"node": {"$ref": "#/definitions/node"}},
            "definitions": {
                "node": {"properties": {"name": {"type": "string"}, "child": {"$ref": "#/definitions/node"}}}
            },
        }
    )
    assert schema.type_at("node.name").type == "string"
    assert schema.type_at("node.child.anything").type == "any"
    assert ("node.child", "circular $ref") in schema.unenforced
    assert schema.check({"node": {"child": {"child": 7}}})[2] == []


def test_exclusive_bounds_of_both_drafts():
    """Draft 4 marks the bound, draft 6 states it."""
    fourth = field({"type": "number", "minimum": 1, "exclusiveMinimum": True, "maximum": 9, "exclusiveMaximum": False})
    sixth = field({"type": "number", "exclusiveMinimum": 1, "maximum": 9})
    assert (fourth.minimum, fourth.exclusive_minimum, fourth.maximum) == (None, 1, 9)
    assert (sixth.minimum, sixth.exclusive_minimum, sixth.maximum) == (None, 1, 9)


def test_meta_enum_only_suggests():
    """meta:enum names known values; only enum binds."""
    read = field({"type": "string", "meta:enum": {"a": "A"}})
    assert (read.suggestions, read.enum) == (("a",), None)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "no properties"),
        ({"$ref": "https://ns.adobe.com/xdm/context/experienceevent"}, "not in the document"),
        ({"$ref": "#/definitions/x"}, "does not hold"),
        ({"properties": {"a": 7}}, "not an object"),
        ({"properties": []}, "properties of the schema"),
        ({"allOf": {}}, "allOf"),
        ({"properties": {"a": {"type": "string", "pattern": 7}}}, "pattern of the schema is 7, expected text"),
        ({"properties": {"a": {"type": "integer", "minimum": "1"}}}, "minimum"),
    ],
)
def test_what_is_no_resolved_schema(document, words):
    """Each fault of a document is told in words."""
    with pytest.raises(SchemaError, match=words):
        compile_schema(document)


def test_what_is_not_enforced_is_listed():
    """Patterns without an equal here or that could take for ever, unknown formats and foreign keywords are told."""
    schema = compile_schema(
        {
            "properties": {
                "broken": {"type": "string", "pattern": "["},
                "explosive": {"type": "array", "items": {"type": "string", "pattern": "^(a+)+(?!b)$"}},
                "good": {"type": "string", "pattern": "^\\p{Upper}{3}$"},
                "ip": {"type": "string", "format": "ipv4"},
                "either": {"anyOf": [{"type": "string"}]},
            }
        }
    )
    assert schema.unenforced == (
        ("broken", "pattern ["),
        ("explosive[*]", "pattern ^(a+)+(?!b)$"),
        ("ip", "format ipv4"),
        ("either", "anyOf"),
    )
    assert schema.check({"broken": "x", "explosive": ["a" * 5000 + "b"], "good": "EUR"})[2] == []
    assert [found.code for found in schema.check({"good": "eur"})[2]] == ["DCVS-1103"]


def test_nesting_and_size_have_limits():
    """Neither a deep document nor one that multiplies by references exhausts the machine."""
    deep = {"type": "string"}
    for _ in range(5_000):
        deep = {"properties": {"a": deep}}
    with pytest.raises(SchemaError, match="nested too deeply"):
        compile_schema(deep)
    bomb = {
        f"d{n}": {"properties": {f"p{i}": {"$ref": f"#/definitions/d{n + 1}"} for i in range(10)}} for n in range(9)
    }
    bomb["d9"] = {"type": "string"}
    with pytest.raises(SchemaError, match=str(MAX_FIELDS)):
        compile_schema({"$ref": "#/definitions/d0", "definitions": bomb})


@pytest.mark.parametrize(("content", "words"), [("[]", "JSON object"), ("{", "not JSON"), ("[" * 100_000, "not JSON")])
def test_file_that_is_no_schema(tmp_path, content, words):
    """A file that holds something else is named with its fault."""
    path = tmp_path / "s.json"
    path.write_text(content)
    with pytest.raises(SchemaError, match=words):
        load_schema(path)
    with pytest.raises(SchemaError, match="cannot be read"):
        load_schema(tmp_path / "absent.json")


def test_shipped_schema_has_the_seeds_fields():
    """The sample schema: class ExperienceEvent, five fields of it, identityMap, eleven of the tenant, nothing unchecked."""
    document = load_schema(SHIPPED)
    assert document["meta:class"] == "https://ns.adobe.com/xdm/context/experienceevent"
    schema = compile_schema(document)
    top = [info.path for info in schema.fields() if "." not in info.path]
    assert top == ["_id", "timestamp", "eventType", "eventMergeId", "producedBy", "identityMap", "_yourorgname"]
    assert (
        len([info for info in schema.fields() if info.path.startswith("_yourorgname.") and info.path[-1] != "*"]) == 11
    )
    assert len(schema.type_at("eventType").suggestions) == 88
    assert schema.unenforced == ()


def test_tenant_takes_the_placeholders_place():
    """The sample schema serves any tenant; a schema of one's own stays as it is."""
    schema = compile_schema(load_schema(SHIPPED), tenant="_acme")
    assert schema.type_at("_acme.campaignId").type == "string"
    assert schema.type_at("_yourorgname.campaignId") is None
    own = compile_schema({"properties": {"_acme": {"properties": {"a": {"type": "string"}}}}}, tenant="_other")
    assert own.type_at("_acme.a").type == "string"


SCHEMA = {
    "properties": {
        "a": {
            "properties": {
                "b": {"type": "array", "items": {"properties": {"c": {"type": "integer"}}, "required": ["c"]}}
            }
        },
        "m": {"type": "object", "additionalProperties": {"type": "string"}},
        "x.y": {"type": "boolean"},
        "t": {"type": "string", "format": "date-time", "title": "When"},
        "matrix": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
    },
    "required": ["t"],
}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("a", "object"),
        ("a.b", "array"),
        ("a.b[0]", "object"),
        ("a.b[0].c", "integer"),
        ("a.b[*].c", "integer"),
        ("m", "map"),
        ("m.whatever", "string"),
        ("m.*", "string"),
        (r"x\.y", "boolean"),
        ("matrix[0][1]", "number"),
        ("a.z", None),
        ("a.b.c", None),
        ("a[0]", None),
        ("t.x", None),
        ("m.a.b", None),
        ("nope", None),
        ("a.", None),
        (".a", None),
        ("a..b", None),
        ("a.b[x]", None),
        ("", None),
    ],
)
def test_type_at(path, kind):
    """Destination paths lead to their field, others to none."""
    found = compile_schema(SCHEMA).type_at(path)
    assert (found and found.type) == kind


def test_fields_lead_back_to_themselves():
    """Every listed path is one that type_at finds, with the same answer but for the item's own requirement."""
    for schema in (compile_schema(SCHEMA), compile_schema(load_schema(SHIPPED))):
        for info in schema.fields():
            assert schema.type_at(info.path) == info
    assert compile_schema(SCHEMA).type_at("a.b[3].c").required
    assert compile_schema(SCHEMA).type_at("t").title == "When"


def test_shipped_schema_is_json_without_duplicates():
    """No key stands twice in the file, which JSON readers would pass over in silence."""

    def unique(pairs):
        keys = [key for key, _ in pairs]
        assert len(set(keys)) == len(keys)
        return dict(pairs)

    json.loads(SHIPPED.read_text(encoding="utf-8"), object_pairs_hook=unique)


def test_required_in_xdms_own_names():
    """Classes require @id and xdm:timestamp; events carry them as _id and timestamp, or as meta:xdmField says."""
    schema = compile_schema(
        {
            "type": "object",
            "required": ["@id", "xdm:timestamp", "xdm:mail", "unknown"],
            "properties": {
                "_id": {"type": "string"},
                "timestamp": {"type": "string"},
                "address": {"type": "string", "meta:xdmField": "xdm:mail"},
            },
        }
    )
    assert schema.root.required == {"_id", "timestamp", "address", "unknown"}


def test_fields_by_the_pattern_of_their_name():
    """PatternProperties give a field its type, also where all other names are forbidden; a list as meta:enum suggests."""
    of = {
        "properties": {"Q": {"type": "string"}},
        "additionalProperties": False,
        "patternProperties": {"^n": {"type": "integer"}},
    }
    schema = compile_schema({"properties": {"o": of, "f": {"type": "string", "meta:enum": ["PQL", "AAM"]}}})
    assert schema.type_at("o.n1").type == "integer"
    assert schema.type_at("o.x") is None
    assert schema.type_at("f").suggestions == ("PQL", "AAM")
    assert schema.unenforced == ()
    assert [each.code for each in schema.check({"o": {"n1": "x"}})[2]] == ["DCVS-1104"]
    assert schema.check({"o": {"n1": "1", "Q": "x"}})[0] == {"o": {"n1": 1, "Q": "x"}}
