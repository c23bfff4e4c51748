"""Answers of the platform APIs that say no, in every shape that Adobe documents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.adobe.refusals import read, refused

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=12), below, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("document", "code", "words"),
    [
        ({"error_code": "403010", "message": "Oauth token is missing."}, "403010", "Oauth token is missing."),
        (
            {
                "type": "http://ns.adobe.com/aep/errors/XDM-1010-404", "title": "Resource not found", "status": 404,
                "report": {"registryRequestId": "x", "timestamp": "x", "detailed-message": "It is not there.", "sub-errors": []},
                "detail": "Something else.",
            },
            "XDM-1010-404",
            "It is not there.",
        ),
        (
            {
                "type": "https://ns.adobe.com/aep/errors/FLOW-1439-404", "title": "Not found", "status": 404,
                "errorMessage": "Short.", "errorDetails": "Flow not found.",
            },
            "FLOW-1439-404",
            "Flow not found.",
        ),
        (
            {
                "type": "http://ns.adobe.com/adobecloud/problem/namespacevalidation", "status": 409,
                "title": "NAMESPACE_CODE_CONFLICT", "report": {"code": "INTEGRATION_CODE_EXISTS"},
            },
            "INTEGRATION_CODE_EXISTS",
            "NAMESPACE_CODE_CONFLICT",
        ),
        ({"title": "BadRequestError", "status": 400, "detail": "Content-Type"}, "", "Content-Type"),
        (None, "", ""),
        ("Bad gateway", "", ""),
    ],
)  # fmt: skip
def test_each_family_gives_code_and_words(document, code, words):
    """Gateway, registry, flow service, identity, plain problem; and what is none of them."""
    assert read(document) == (code, words)


@pytest.mark.parametrize(
    ("status", "document", "hint"),
    [
        (401, {"error_code": "401013", "message": "Oauth token is not valid"}, "Developer Console"),
        (403, {"error_code": "403025", "message": "Profile is not valid"}, "product profile"),
        (401, {"title": "INVALID_IMS_TOKEN", "detail": "Missing product context acp"}, "product profile"),
        (403, {"type": "…/FLOW-2120-403", "detail": "no"}, "API credentials"),
        (400, {"type": "…/XDM-1521-400", "detail": "Title not unique"}, "BRIDGE_SETUP__…_NAME"),
        (400, {"type": "…/XDM-1413-400", "detail": "Incompatible"}, "schema file"),
    ],
)
def test_a_refusal_says_where_to_click(status, document, hint):
    """What a person can do about it stands in the hint."""
    error = refused("POST /x", status, document)
    assert hint in error.hint
    assert str(status) in str(error)


@given(_JSON)
def test_no_body_makes_it_fail(document):
    """Whatever a service or a proxy answers is told in one bounded line."""
    told = str(refused("GET /x", 500, document))
    assert len(told) < 700
    assert "\n" not in told


def test_tokens_are_taken_out():
    """A token that a service echoes does not reach the terminal."""
    assert "eyJ" not in read({"message": "bad eyJhbGciOi.eyJpZCI6.c2ln here"})[1]
