"""CSV as spreadsheets and people leave it: empty cells, a sep= line, blanks of no width, unknown columns, on_invalid."""

import pytest

from bridge.mapping.lint.rules import lint
from bridge.mapping.sets.findings import MappingRefused
from bridge.mapping.sets.table import read_mapping_set

ROW = ("ATTRIBUTE", "event_name", "eventType")


def rows(text):
    """Rows and the codes of what was warned of."""
    made = read_mapping_set(text.encode())
    return [(row.source_type, row.source, row.destination) for row in made.rows], [one.code for one in made.warnings]


@pytest.mark.parametrize("end", [",", ",,,", ", \u200b,", ",\u00a0"])
def test_empty_cells_behind_the_last_header_say_nothing(end):
    """Spreadsheets write them for columns that once held something."""
    assert rows(f"source_type,source,destination\nATTRIBUTE,event_name,eventType{end}\n") == ([ROW], [])


def test_a_cell_with_something_in_it_is_told():
    """It has no header, so what it means is unknown."""
    with pytest.raises(MappingRefused, match="too_many_cells"):
        rows("source_type,source,destination\nATTRIBUTE,event_name,eventType,x\n")


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\nsource_type;source;destination\nATTRIBUTE;event_name;eventType\n",
        'SEP=;\r\n"source_type";"source";"destination"\r\n"ATTRIBUTE";"event_name";"eventType"\r\n',
        '"sep=|"\nsource_type|source|destination\nATTRIBUTE|event_name|eventType\n',
        "\ufeffsep=\t\nsource_type\tsource\tdestination\nATTRIBUTE\tevent_name\teventType\n",
    ],
)
def test_a_line_that_names_the_separator_is_understood(text):
    """Excel's own; the lines of rows still count from the top of the file."""
    assert rows(text) == ([ROW], [])
    assert read_mapping_set(text.encode()).rows[0].row == 3


def test_blanks_of_no_width_are_taken_away_outside_quotes():
    """They come in with copied text; within quotes they are text."""
    text = "source,\u200bdestination\nevent\u200b_name\u2060,event\ufeffType\n\"concat(\u200bx,'a\u200bb')\",y\n"
    assert rows(text)[0] == [ROW, ("EXPRESSION", "concat(x,'a\u200bb')", "y")]


def test_unknown_columns_are_warned_of():
    """With the name that is meant; lint has the warning, and the set runs."""
    made = read_mapping_set(b"source_typ,source,destination\nATTRIBUTE,event_name,eventType\n")
    (told,) = made.warnings
    assert (told.code, told.severity, told.fix) == ("column_unknown", "warning", "source_type")
    assert "column_unknown" in {one.code for one in lint(made, tenant="_t", primary_identity="x")}


def test_on_invalid_by_row():
    """Both words in any case, and nothing; another word is an error."""
    made = read_mapping_set(b"source,destination,On Invalid\na,x,Drop\nb,y,REJECT\nc,z,\n")
    assert [row.on_invalid for row in made.rows] == ["drop", "reject", None]
    assert made.warnings == ()
    assert [
        row.on_invalid for row in read_mapping_set(b'[{"source":"a","destination":"x","onInvalid":"drop"}]').rows
    ] == ["drop"]
    with pytest.raises(MappingRefused, match="on_invalid_unknown"):
        read_mapping_set(b"source,destination,on_invalid\na,x,keep\n")
