"""``mapping init`` towards MoEngage: a first set from samples of each source, which maps them as they came."""

import json

import pytest
from json_output import json_of
from typer.testing import CliRunner

from bridge.cli.main import app

TOML = """
[routes.crm]
source = "{source}"
destination = "moengage"
[routes.crm.mapping]
path = "made.csv"
[routes.crm.moengage]
workspace_id = "W1"
api_key = "key-of-a-test"
data_center = 1
"""
PROFILES = [
    {
        "identityMap": {"user_id": [{"id": "C-1"}], "ecid": [{"id": "4"}]},
        "person": {"name": {"firstName": "Zoë"}},
        "homeAddress": {"city": "Köln", "postalCode": "50667"},
        "_acme": {"loyalty": {"points": 120, "tier": None}, "tags": ["a", "b"], "orders": [{"id": 1}], "status": "new"},
        "segmentMembership": {"ups": {"a": {"status": "realized", "name": "VIP"}}},
    },
    {
        "profile": {
            "identityMap": {"user_id": [{"id": "C-2"}]},
            "attributes": {
                "points": {"value": "12"},
                "optIn": {"value": "true"},
                "zip": {"value": "01067"},
                "shoe": "40.5",
            },
        }
    },
]
STREAM = {
    "events": [
        {
            "event_name": "Email Opened",
            "event_uuid": "u-1",
            "event_time": 1790000000,
            "uid": "C-9",
            "email_id": "ana@example.com",
            "event_attributes": {"campaign_name": "Spring", "revenue": 2.5},
            "user_attributes": {"tier": "gold"},
        }
    ]
}
BATCH = {
    "user_identities": {"customer_id": "C-7"},
    "user_attributes": {"$firstname": "Zoë", "tier": "gold"},
    "events": [{"event_type": "custom_event", "data": {"event_name": "Seen", "custom_attributes": {"length": "12"}}}],
}


def made(tmp_path, monkeypatch, source, *documents, more=()):
    """What init wrote and said for these samples, and the elements that the set makes of them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bridge.toml").write_text(TOML.format(source=source), encoding="utf-8")
    (tmp_path / "events.jsonl").write_text("\n".join(map(json.dumps, documents)), encoding="utf-8")
    run = CliRunner().invoke
    told = run(app, ["mapping", "init", "--route", "crm", "--events", "events.jsonl", "--output", "made.csv", *more])
    assert told.exit_code == 0, told.output
    shown = run(app, ["mapping", "preview", "made.csv", "--route", "crm", "--event", "events.jsonl", "--json"])
    assert shown.exit_code == 0, shown.output
    calls = json_of(shown)
    elements = [one for call in (calls if isinstance(calls, list) else [calls]) for one in call["elements"]]
    linted = run(app, ["mapping", "lint", "made.csv", "--route", "crm", "--events", "events.jsonl"])
    assert linted.exit_code == 0, linted.output
    return told.output, elements


def test_profiles_of_adobe(tmp_path, monkeypatch):
    """The shipped rows, XDM attributes under names that MoEngage takes, and texts with their types back; objects stay open."""
    told, (raw, ours) = made(tmp_path, monkeypatch, "adobe", *PROFILES)
    assert raw["attributes"] == {
        "first_name": "Zoë",
        "AEPSegments": ["VIP"],
        "home_city": "Köln",
        "postal_code": "50667",
        "loyalty_points": 120,
        "tags": ["a", "b"],
        "own_status": "new",
    }
    assert ours["attributes"] == {"points": 12, "optIn": True, "zip": "01067", "shoe": 40.5}
    assert "left open _acme.orders" in told
    assert "if it is a code and no quantity" in told


@pytest.mark.parametrize(
    ("source", "document", "expected"),
    [
        (
            "moengage",
            STREAM,
            [
                {
                    "type": "customer",
                    "customer_id": "C-9",
                    "attributes": {"email": "ana@example.com", "tier": "gold"},
                },
                {
                    "type": "event",
                    "customer_id": "C-9",
                    "actions": [
                        {
                            "action": "Email Opened",
                            "user_time": 1790000000,
                            "attributes": {"campaign_name": "Spring", "revenue": 2.5},
                        }
                    ],
                },
            ],
        ),
        (
            "mparticle",
            BATCH,
            [
                {"type": "customer", "customer_id": "C-7", "attributes": {"tier": "gold", "first_name": "Zoë"}},
                {
                    "type": "event",
                    "customer_id": "C-7",
                    "actions": [{"action": "Seen", "attributes": {"length": "12"}}],
                },
            ],
        ),
    ],
)
def test_events_of_other_sources(tmp_path, monkeypatch, source, document, expected):
    """MoEngage's own events, and mParticle's by its shipped rows."""
    _, elements = made(tmp_path, monkeypatch, source, document)
    assert elements == expected


def test_drift_names_what_no_row_reads_with_the_row_to_add(tmp_path, monkeypatch):
    """Of an Adobe profile its attributes alone, each with a row for MoEngage; what the decoder adds is none of them."""
    shipped = CliRunner().invoke(app, ["mapping", "convert", "mappings/adobe_profiles.csv", "--to", "csv"]).stdout
    (tmp_path / "made.csv").write_text(shipped, encoding="utf-8")
    made(tmp_path, monkeypatch, "adobe", *PROFILES, more=["--merge"])
    (tmp_path / "made.csv").write_text(shipped, encoding="utf-8")
    told = CliRunner().invoke(
        app, ["mapping", "drift", "made.csv", "--route", "crm", "--events", "events.jsonl", "--json"]
    )
    assert told.exit_code == 0, told.output
    rows = {each["path"]: each["row"] for each in json_of(told)["unmapped"]}
    assert rows == {
        "_acme.loyalty.points": "ATTRIBUTE,_acme.loyalty.points,customer.attributes.points",
        "_acme.orders[*].id": None,
        "_acme.status": "ATTRIBUTE,_acme.status,customer.attributes.own_status",
        "_acme.tags[*]": "ATTRIBUTE,_acme.tags,customer.attributes.tags",
        "homeAddress.city": "ATTRIBUTE,homeAddress.city,customer.attributes.home_city",
        "homeAddress.postalCode": "ATTRIBUTE,homeAddress.postalCode,customer.attributes.postal_code",
    }


def test_rows_that_are_there_are_kept(tmp_path, monkeypatch):
    """With --merge only destinations that the file lacks are appended."""
    (tmp_path / "made.csv").write_text(
        "source,destination\ncustomer_id,customer.customer_id\n_acme.loyalty.points,customer.attributes.score\n",
        encoding="utf-8",
    )
    told, (raw, _) = made(tmp_path, monkeypatch, "adobe", *PROFILES, more=["--merge"])
    assert "2 rows kept" in told
    assert raw["attributes"]["score"] == 120
    assert raw["attributes"]["first_name"] == "Zoë"


def test_rows_of_a_warehouse(tmp_path, monkeypatch):
    """Columns that the shipped set does not know are attributes of the user."""
    row = {"customer_id": "C-5", "email": "z@example.com", "loyaltyPoints": 12}
    _, elements = made(tmp_path, monkeypatch, "warehouse", row)
    assert elements == [
        {
            "type": "customer",
            "customer_id": "C-5",
            "attributes": {"email": "z@example.com", "loyalty_points": 12},
        }
    ]
