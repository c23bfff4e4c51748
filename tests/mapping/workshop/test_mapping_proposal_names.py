"""Which fields of a customer's schema ``mapping init`` fills from which fields of an event."""

from __future__ import annotations

import pytest

from bridge.mapping.lint.name_likeness import NO_MATCH, likeness
from bridge.mapping.syntax.paths import parse_path
from bridge.mapping.workshop.proposal.rows_proposed import propose
from bridge.mapping.workshop.samples import Samples
from bridge.xdm.rules import RULES
from bridge.xdm.schema.compiled_schema import compile_schema

EVENT = {
    "id": "e-1",
    "event_name": "Email Sent",
    "event_code": "MOE_EMAIL_SENT",
    "moe_request_id": "r",
    "identities": {"phone": "+1"},
    "event_attributes": {"campaign_id": "c", "campaign_name": "n", "note": "free text"},
    "user_attributes": {"tier": "gold"},
    "device_attributes": {"OS_VERSION": "14", "os_version": "16.2"},
}


def _proposed(fields: dict[str, object]) -> dict[str, str]:
    schema = compile_schema(
        {
            "type": "object",
            "properties": {"_acme": {"type": "object", "properties": fields}},
        }
    )
    rows = propose(schema, Samples([EVENT]), RULES, event_type=None).mapping_set.rows
    return {row.destination: row.source for row in rows}


TEXT = {"type": "string"}
NUMBER = {"type": "integer"}


def test_a_vague_name_counts_only_with_the_object_it_stands_in() -> None:
    """campaign.id is the campaign's id, never the event's; order.id, which no event has, stays unmapped."""
    inner = {"type": "object", "properties": {"id": TEXT, "name": TEXT}}
    assert _proposed({"campaign": inner, "order": inner}) == {
        "{tenant}.campaign.id": "event_attributes.campaign_id",
        "{tenant}.campaign.name": "event_attributes.campaign_name",
    }


@pytest.mark.parametrize(
    ("target", "source"),
    [
        ("eventDisplayName", "event_name"),
        ("moeEventCode", "event_code"),
        ("streams.name", "event_name"),
        ("streams.requestId", "moe_request_id"),
        ("name_of_campaign", "event_attributes.campaign_name"),
        ("customer.phoneNumber", "identities.phone"),
        ("customer.tier", "user_attributes.tier"),
    ],
)
def test_renamed_and_nested_fields_find_their_source(target: str, source: str) -> None:
    """Customers' own names for MoEngage's fields are recognised."""
    assert likeness(parse_path(target), parse_path(source)) > NO_MATCH


def test_two_spellings_of_one_field_are_both_read() -> None:
    """Android's OS_VERSION and iOS's os_version feed one field."""
    expression = "coalesce(device_attributes.OS_VERSION, device_attributes.os_version)"
    assert _proposed({"osVersion": TEXT}) == {"{tenant}.osVersion": expression}


def test_text_that_is_no_number_fills_no_number() -> None:
    """A field of another type is left to the list of unmapped ones."""
    assert _proposed({"note": NUMBER}) == {}
    assert _proposed({"note": TEXT}) == {"{tenant}.note": "event_attributes.note"}


def test_what_is_used_under_its_canonical_name_is_not_listed_as_unused() -> None:
    """Uid is read as identities.externalId, event_time as time: nothing is left to do about them."""
    event = {**EVENT, "uid": "u", "time": 1, "event_time": 1, "identities": {"externalId": "u"}}
    schema = compile_schema(
        {
            "type": "object",
            "properties": {
                "timestamp": {"type": "string", "format": "date-time"},
                "identityMap": {
                    "type": "object",
                    "additionalProperties": {"type": "array", "items": {"type": "object"}},
                },
            },
        }
    )
    unused = set(propose(schema, Samples([event]), RULES, event_type=None).unused)
    assert "moe_request_id" in unused
    assert unused.isdisjoint({"uid", "event_time", "time", "identities.externalId"})
