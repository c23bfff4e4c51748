"""The event, its id and AEP's reason, in every form of a failed record."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.adobe.reconciliation.refused_record import NO_CODE, read_record

EVENT = {"_id": "e-1", "timestamp": "2026-11-26T08:00:00Z", "_acme": {"clicks": "many"}}
MESSAGE = {"header": {"datasetId": "d"}, "body": {"xdmMeta": {}, "xdmEntity": EVENT}}
SAID = [{"code": "DCVS-1104-400", "message": "#/_acme/clicks: expected type: Integer, found: String"}]
VIOLATIONS = [
    {
        "code": "DCVS-1104-400",
        "message": "1 schema violations found",
        "_validationErrors": [{"message": "expected type: Integer", "pointerToViolation": "#/_acme/clicks"}],
    }
]
FORMS = {
    "object": {**MESSAGE, "_errors": {"_streamingValidation": SAID}},
    "violations": {**MESSAGE, "_errors": {"_streamingValidation": VIOLATIONS}},
    "array": {**MESSAGE, "_errors": SAID},
    "text": {**MESSAGE, "_errors": json.dumps({"_streamingValidation": SAID})},
    "parts as texts": {
        "header": json.dumps(MESSAGE["header"]),
        "body": json.dumps(MESSAGE["body"]),
        "_errors": json.dumps({"_streamingValidation": SAID}),
    },
    "record in the body": {"body": json.dumps({**MESSAGE, "_errors": SAID})},
    "entity as a text": {"header": {}, "body": {"xdmEntity": json.dumps(EVENT)}, "_errors": SAID},
    "corrupt": {"_corrupt_record": json.dumps(MESSAGE), "_errors": SAID, "_filename": "part-0.json"},
}


@pytest.mark.parametrize("form", FORMS)
def test_event_and_reason_are_read_in_every_form(form):
    """The same event, code and field, and the same name of the record, whatever the form."""
    found = read_record(json.dumps(FORMS[form]).encode())
    assert (found.event, json.loads(found.value), found.is_xdm) == (EVENT, EVENT, True)
    assert (found.identifier, found.code, found.field) == ("e-1", "DCVS-1104-400", "_acme.clicks")
    assert found.digest == read_record(json.dumps(FORMS["object"]).encode()).digest


@pytest.mark.parametrize("name", ["_id", "id", "event_uuid"])
def test_of_a_raw_record_the_body_is_the_event(name):
    """A dataflow with a mapping gives back what it was sent, also where it has a member named body."""
    event = {name: "u-1", "body": "text", "event_code": "X"}
    found = read_record(json.dumps({"header": {}, "body": event, "_errors": {"_mapper": SAID}}).encode())
    assert (found.event, found.identifier, found.is_xdm) == (event, "u-1", False)


def test_different_events_with_one_id_are_two_records():
    """None is taken for the other."""
    one, other = ({"body": {"xdmEntity": {**EVENT, "x": x}}, "_errors": SAID} for x in (1, 2))
    assert read_record(json.dumps(one).encode()).digest != read_record(json.dumps(other).encode()).digest


def test_a_broken_line_keeps_its_bytes_and_its_id():
    """What is no JSON is kept as it came; its id is found all the same."""
    line = b'{"_corrupt_record":"{\\"body\\":{\\"xdmEntity\\":{\\"_id\\":\\"e-9\\",","_errors":[{"code":"INGEST-1401-400"}]}'
    for broken in (line, line[:-4]):
        found = read_record(broken)
        assert (found.value, found.event, found.identifier) == (broken, None, "e-9")
    assert read_record(line).code == "INGEST-1401-400"


def test_a_record_without_a_reason_tells_nothing_of_its_event():
    """Reasons stand in headers and lists, events do not."""
    found = read_record(json.dumps({"body": {"xdmEntity": {"_id": "e", "email": "a@b.example"}}}).encode())
    assert (found.code, found.reason, found.field) == (NO_CODE, "AEP names no reason", "")


def test_nesting_that_cannot_be_written_is_kept_as_it_came():
    """The line itself is the value."""
    line = b'{"_errors":[],"x":' + b"[" * 300 + b"]" * 300 + b"}"
    assert read_record(line).value == line


@given(st.binary(max_size=80) | st.recursive(st.none() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["body", "_errors", "xdmEntity", "_corrupt_record", "_id"]), inner, max_size=3)).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_any_line_can_be_read(line):
    """Never raises, and always names a code."""
    found = read_record(line)
    assert found.code
    assert len(found.digest) == 32
