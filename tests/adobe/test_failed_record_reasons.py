"""Reasons in failed records, in every form that AEP writes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.adobe.failed_records import reasons

ENTITY = {"header": {}, "body": {"xdmEntity": {"_id": "e-1", "message": "not a reason"}}}
SAID = [{"code": "DCVS-1104-400", "message": "#/x: expected type: Number, found: String"}]


@pytest.mark.parametrize(
    "errors",
    [
        {"_streamingValidation": SAID},
        SAID,
        json.dumps({"_streamingValidation": SAID}),
        {"_streamingValidation": json.dumps(SAID)},
    ],
    ids=["object", "array", "text", "list in a text"],
)
@pytest.mark.parametrize("whole", [True, False], ids=["body", "body in a text"])
def test_the_reason_is_found_in_every_form(errors, whole):
    """Code and message, once, and nothing of the event itself."""
    record = {**ENTITY, "_errors": errors}
    line = json.dumps(record if whole else {"body": json.dumps(record)})
    assert reasons(line.encode()) == ["DCVS-1104-400 #/x: expected type: Number, found: String"]


def test_violations_below_an_error_are_told():
    """The form with _validationErrors says where."""
    error = {
        "_validationErrors": [{"message": "expected type: Number", "pointerToViolation": "#/x", "keyword": "type"}]
    }
    record = {**ENTITY, "_errors": {"_streamingValidation": [error]}}
    assert reasons(json.dumps(record).encode()) == ["#/x expected type: Number"]


def test_a_corrupt_record_is_told_by_its_code():
    """Row errors of the diagnostics."""
    record = {
        "_corrupt_record": "{",
        "_errors": [{"code": "INGEST-1401-400", "message": "row is corrupt"}],
        "_filename": "a",
    }
    assert reasons(json.dumps(record).encode()) == ["INGEST-1401-400 row is corrupt"]


@given(st.binary(max_size=60))
def test_any_line_gives_something(line):
    """A line that is no JSON is told as it is."""
    assert reasons(line)
