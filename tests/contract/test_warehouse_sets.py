"""The mapping sets that ship for rows give what the Zeotap page of MoEngage's documents calls default fields, and refuse what it warns of."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bridge.cli.main import app
from bridge.model.verdicts import Rejected
from bridge.routes.moengage_events import open_moengage_events
from bridge.routes.moengage_files import failing
from bridge.settings import MappingSettings, MoEngageSettings, WarehouseSettings
from bridge.sources.warehouse.decoder import WarehouseDecoder

MAPPINGS = Path(__file__).resolve().parents[2] / "mappings"


def built(kind: str, value: bytes, **moengage):
    """Elements of a row, or the rejection."""
    events = open_moengage_events(
        MappingSettings(path=MAPPINGS / f"warehouse_{kind}.csv"), MoEngageSettings(unset=True, **moengage)
    )
    (event,) = WarehouseDecoder(WarehouseSettings(key="id", kind=kind)).decode(value)
    made = events.build(event)
    return made.rejection or made.xdm["elements"]


USER = (
    b'{"id":"C-7","email":"c@example.com","first_name":"Zo\xc3\xab","last_name":"A","mobile":"+49 151","gender":"female",'
    b'"birthday":"1990-01-31","city":"Ulm","country":"DE","other":1}'
)


def test_default_fields_of_a_user():
    """The key is the customer where no column is; city and country have names of their own; what has no row does not leave."""
    assert built("users", USER) == [
        {
            "type": "customer",
            "customer_id": "C-7",
            "attributes": {
                "email": "c@example.com",
                "first_name": "Zoë",
                "last_name": "A",
                "mobile": "+49 151",
                "gender": "female",
                "birthday": "1990-01-31",
                "customer_city": "Ulm",
                "customer_country": "DE",
            },
        }
    ]


def test_a_column_customer_id_wins():
    """It is the customer, whatever the key is; null it is refused, and the key is not taken in its place."""
    assert built("users", b'{"id":7,"customer_id":"C-8","moe_mobile":"1"}')[0]["customer_id"] == "C-8"
    assert built("users", b'{"id":7,"customer_id":"C-8","moe_mobile":"1"}')[0]["attributes"] == {"mobile": "1"}
    assert built("users", b'{"id":7,"customer_id":null,"email":"a@b.c"}').code == "customer_id_missing"


@pytest.mark.parametrize("kind", ["users", "events"])
def test_the_golden_cases_that_ship_pass(kind, tmp_path, monkeypatch):
    """By the command and as a worker checks them, whatever the key of the route is; and each fails with another set."""
    cases, path = MAPPINGS / f"warehouse_{kind}_tests", MAPPINGS / f"warehouse_{kind}.csv"
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["mapping", "test", str(cases), "--mapping", str(path)])
    assert (done.exit_code, "5 of 5 cases pass" in done.output) == (0, True), done.output
    decoder = WarehouseDecoder(WarehouseSettings(key="other", kind=kind))
    assert failing(MappingSettings(path=path, tests=cases), MoEngageSettings(), decoder) == []
    other = MAPPINGS / f"warehouse_{'events' if kind == 'users' else 'users'}.csv"
    assert "default-fields" in failing(MappingSettings(path=other, tests=cases), MoEngageSettings(), decoder)


@pytest.mark.parametrize(
    ("vanished", "element"),
    [
        (
            b'{"update_existing_only":true,"unset_attributes":[{"type":"equals","attr":"email","case_sensitive":true}]}',
            {
                "type": "customer",
                "customer_id": "C-7",
                "update_existing_only": True,
                "unset_attributes": [{"type": "equals", "attr": "email", "case_sensitive": True}],
            },
        ),
        (
            b'{"action":"Row Vanished","user_time":"2026-01-31T08:00:00Z"}',
            {
                "type": "event",
                "customer_id": "C-7",
                "actions": [{"action": "Row Vanished", "user_time": "2026-01-31T08:00:00Z"}],
            },
        ),
    ],
)
@pytest.mark.parametrize("nulls", ["skip", "clear", "unset"])
def test_a_row_that_is_gone(vanished, element, nulls):
    """It becomes what the mode says, and nothing beside, whatever a null means elsewhere; nobody is created by it."""
    value = b'{"id":"C-7","customer_id":"C-7","sync_vanished":' + vanished + b"}"
    (made,) = built("users", value, nulls=nulls)
    if nulls == "skip" or "actions" in element:
        assert made == element
    else:
        # The attributes that are not named are null, too.
        assert made["update_existing_only"]
        assert [one["attr"] for one in made["unset_attributes"]].count("email") == 1
        assert "email" not in made.get("attributes", {})


@pytest.mark.parametrize(
    ("time", "left"),
    [
        (b'"2026-01-31T08:00:00.123456Z"', "2026-01-31T08:00:00Z"),
        (b'"2026-01-31 08:00:00"', "2026-01-31T08:00:00Z"),
        (b'"2026-01-31T08:00:00+02:00"', "2026-01-31T06:00:00Z"),
        (b"1769846400000", "2026-01-31T08:00:00Z"),
    ],
)
def test_default_fields_of_an_event(time, left):
    """Its time in any usual form, its platform in MoEngage's spelling; anything else is left out."""
    value = b'{"id":1,"customer_id":"C-7","action":"Bought","platform":"IOS","user_time":' + time + b"}"
    action = {"action": "Bought", "platform": "iOS", "user_time": left}
    assert built("events", value) == [{"type": "event", "customer_id": "C-7", "actions": [action]}]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b'{"id":1,"customer_id":"C-7","action":"","user_time":"2026-01-31"}', "action_missing"),
        (b'{"id":1,"customer_id":"C-7","action":null,"platform":"web"}', "action_missing"),
        (b'{"id":"C-7","action":"Bought"}', "customer_id_missing"),
    ],
)
def test_events_that_would_be_invisible(value, code):
    """An event without a name or a customer is refused, never sent; its key is no customer."""
    refused = built("events", value)
    assert isinstance(refused, Rejected)
    assert refused.code == code
