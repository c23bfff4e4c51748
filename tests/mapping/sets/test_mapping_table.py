"""Mapping sets as files: tolerant CSV, the Data Prep API's JSON, and both ways between them."""

import hashlib
import json
from pathlib import Path

import pytest

from bridge.mapping.sets.convert import to_csv, to_json
from bridge.mapping.sets.findings import MappingRefused
from bridge.mapping.sets.mapping_set import rows_without_place
from bridge.mapping.sets.table import load_mapping_set, read_mapping_set
from bridge.mapping.syntax.cells import fill, infer_source_type
from bridge.model.errors import MappingError


@pytest.mark.parametrize(
    "header",
    [
        "source_type,source,destination",
        "sourceType,source,destination",
        "Source Type,Source Field,Target Field",
        "SOURCE_TYPE,Source Data,Destination XDM Path",
        "source type,source attribute,target",
    ],
)
def test_headers_are_recognised_however_they_are_spelled(header: str):
    """The synonyms of the reference, with case, blanks and underscores ignored."""
    (row,) = read_mapping_set(f"{header}\nATTRIBUTE,a.b,c.d\n".encode()).rows
    assert (row.source_type, row.source, row.destination) == ("ATTRIBUTE", "a.b", "c.d")


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_delimiters_of_spreadsheets_are_read(mark: str):
    """A comma, and what spreadsheets in other locales write instead."""
    text = f'source{mark}destination\r\n"concat(""a,;"", b)"{mark}x\r\n'
    (row,) = read_mapping_set(("\ufeff" + text).encode()).rows
    assert row.source == 'concat("a,;", b)'
    assert row.source_type == "EXPRESSION"


def test_rows_are_numbered_by_the_line_they_begin_on():
    """Blank lines and cells of several lines do not shift the numbers a person sees in the editor."""
    text = 'source,destination,description\na,x,"two\nlines"\n\n,,\nb,y,\n'
    assert [row.row for row in read_mapping_set(text.encode()).rows] == [2, 6]


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("event_name", "ATTRIBUTE"),
        ("a.b[0].c", "ATTRIBUTE"),
        ("${First Name}", "ATTRIBUTE"),
        ("First Name", "ATTRIBUTE"),
        ("{tenant}.x", "ATTRIBUTE"),
        ("size", "ATTRIBUTE"),
        ("now", "ATTRIBUTE"),
        ("user.or.and", "ATTRIBUTE"),
        ("emails[*].name", "ATTRIBUTE"),
        ("now()", "EXPRESSION"),
        ("a + b", "EXPRESSION"),
        ("a.equals('x')", "EXPRESSION"),
        ("a ? b : c", "EXPRESSION"),
        ("not a", "EXPRESSION"),
        ("null", "EXPRESSION"),
        ("5", "EXPRESSION"),
        ("upper(", "EXPRESSION"),
        ('"CUSTOMER"', "STATIC"),
        ("'CUSTOMER'", "STATIC"),
        ("'a' + 'b'", "EXPRESSION"),
    ],
)
def test_the_source_type_is_inferred(source: str, kind: str):
    """Calls and operators are expressions, quoted text is static, and a plain path is never mistaken for an expression."""
    assert infer_source_type(source) == kind


def test_an_inferred_literal_loses_its_quotes_and_a_stated_one_keeps_its_text():
    """STATIC is the literal text of the cell; only inference needs quotes around it."""
    rows = read_mapping_set(b"source_type,source,destination\n,'CUSTOMER',a\nSTATIC,'CUSTOMER',b\nSTATIC, x ,c\n").rows
    assert [row.source for row in rows] == ["CUSTOMER", "'CUSTOMER'", " x "]


def test_every_error_of_a_file_is_listed_at_once():
    """One load tells all: unknown type, empty cells, too many cells, each with its row."""
    text = "source_type,source,destination\nATRIBUTE,a,b\n,,x\n,a,\n,a,b,c\n"
    with pytest.raises(MappingError) as caught:
        read_mapping_set(text.encode())
    assert isinstance(caught.value, MappingRefused)
    assert [(one.row, one.code) for one in caught.value.findings] == [
        (2, "source_type_unknown"),
        (3, "source_empty"),
        (4, "destination_empty"),
        (5, "too_many_cells"),
    ]
    assert caught.value.findings[0].fix == "ATTRIBUTE"
    assert "row 2, source_type" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "header_missing"),
        (b"sorce,destination\na,b\n", "header_missing"),
        (b"source,destination\n", "no_rows"),
        (b"source,source field,destination\na,b,c\n", "header_twice"),
        (b'source,destination\n"a,b\n', "not_csv"),
        (b"source,destination\n\xff,b\n", "not_utf8"),
        (b"{", "not_json"),
        (b"{}", "no_mappings"),
        (b'{"mappings": [5]}', "not_a_mapping"),
        (b'{"mappings": [{"source": 5, "destination": "a"}]}', "not_text"),
        (b"[" * 100_000, "not_json"),
    ],
)
def test_files_that_are_no_mapping_set_say_why(content: bytes, code: str):
    """Each kind of broken file has its own code."""
    with pytest.raises(MappingRefused) as caught:
        read_mapping_set(content)
    assert code in {one.code for one in caught.value.findings}


def test_a_file_in_another_encoding_says_what_to_do():
    """A spreadsheet's usual slip has a way out beside it."""
    with pytest.raises(MappingRefused, match=r"row 2, file: the file is not UTF-8 .*CSV UTF-8"):
        read_mapping_set(b"source,destination\ncaf\xe9,b\n")


def test_a_missing_file_is_a_mapping_error(tmp_path: Path):
    """A path that is not there is told like everything else."""
    with pytest.raises(MappingError, match="cannot read"):
        load_mapping_set(tmp_path / "nowhere.csv")


def test_the_digest_is_that_of_the_bytes(tmp_path: Path):
    """sha256 identifies the file that was loaded."""
    content = b"source,destination\na,b\n"
    file = tmp_path / "m.csv"
    file.write_bytes(content)
    assert load_mapping_set(file).sha256 == hashlib.sha256(content).hexdigest()


def test_the_api_json_loads_with_its_older_spellings():
    """The reference's sample, legacy keys and the old name of ATTRIBUTE."""
    document = {
        "id": "m1",
        "outputSchema": {"schemaRef": {"id": "s", "contentType": "c"}},
        "mappings": [
            {
                "sourceType": "text/x.schema-path",
                "sourceAttribute": "a.b",
                "destinationXdmPath": "c",
                "identity": False,
            },
            {"sourceType": "EXPRESSION", "source": "concat(a, now())", "destination": "d", "name": "n"},
        ],
    }
    loaded = read_mapping_set(json.dumps(document).encode())
    assert list(rows_without_place(loaded)) == [
        ("ATTRIBUTE", "a.b", "c", None, None, {"identity": False}),
        ("EXPRESSION", "concat(a, now())", "d", "n", None, {}),
    ]
    assert loaded.extra["outputSchema"]["schemaRef"]["id"] == "s"


def test_both_forms_carry_everything():
    """CSV to JSON to CSV and JSON to CSV to JSON lose nothing: extra columns, extra keys, schema references."""
    text = (
        "source_type,source,destination,name,description,owner\n"
        'EXPRESSION,"concat(""a"", b)",{tenant}.x,n,"two\nlines, ""quoted""",ann\n'
        "STATIC, padded ,y,,,\n"
    )
    original = read_mapping_set(text.encode())
    as_json = read_mapping_set(to_json(original).encode())
    assert list(rows_without_place(as_json)) == list(rows_without_place(original))
    assert to_csv(as_json) == text
    rich = read_mapping_set(
        b'{"id": "x", "version": 3, "mappings": [{"sourceType": "ATTRIBUTE", "source": "a", "destination": "b",'
        b' "functionVersion": 0, "note": "", "matchScore": 0.5}]}'
    )
    again = read_mapping_set(to_csv(rich).encode())
    assert list(rows_without_place(again)) == list(rows_without_place(rich))
    assert again.extra == rich.extra
    assert json.loads(to_json(again)) == json.loads(to_json(rich))


def test_placeholders_are_filled_and_maps_are_left_alone():
    """{name} is replaced; ${name} and map literals are not placeholders."""
    known = {"tenant": "_t"}
    assert fill("{tenant}.a", known) == ("_t.a", [])
    assert fill("{brand}.a", known) == ("{brand}.a", ["brand"])
    assert fill('${tenant} + {"a": 1}', known) == ('${tenant} + {"a": 1}', [])
