"""What lint and check say of mapping sets that read Adobe's profiles."""

import pytest
from json_output import json_of
from typer.testing import CliRunner

from bridge.cli.main import app

TOML = """
[routes.crm]
source = "adobe"
destination = "moengage"
[routes.crm.mapping]
path = "set.csv"
[routes.crm.adobe]
audiences = ["VIP"]
[routes.crm.moengage]
workspace_id = "W1"
api_key = "key-of-a-test"
data_center = 1
"""
_SET = "source_type,source,destination\nATTRIBUTE,customer_id,customer.customer_id\n{}\n"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with the route above."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bridge.toml").write_text(TOML, encoding="utf-8")
    return tmp_path


def linted(place, *rows, first="ATTRIBUTE,customer_id,customer.customer_id"):
    """Codes, severities and fixes of lint's findings."""
    text = _SET.format("\n".join(rows)).replace("ATTRIBUTE,customer_id,customer.customer_id", first)
    (place / "set.csv").write_text(text, encoding="utf-8")
    told = CliRunner().invoke(app, ["mapping", "lint", "set.csv", "--route", "crm", "--json"])
    return told.exit_code, [(each["code"], each["severity"], each.get("fix")) for each in json_of(told, exit_code=None)]


@pytest.mark.parametrize(
    ("row", "fix"),
    [
        ("ATTRIBUTE,identityMap.Email[0].id,customer.attributes.email", "identities.email[0]"),
        ("ATTRIBUTE,identities.Email[0],customer.attributes.email", "identities.email[0]"),
        ("ATTRIBUTE,segmentMembership.ups,customer.attributes.segments", "audienceNames"),
        ("EXPRESSION,lower(attributes.firstName),customer.attributes.first_name", "person.name.firstName"),
    ],
)
def test_what_stands_elsewhere_is_told_with_its_place(place, row, fix):
    """Paths of Adobe's message that a canonical profile does not have would be null in every event."""
    assert linted(place, row) == (1, [("source_moved", "error", fix)])


def test_a_customer_id_of_another_namespace(place):
    """Anonymous ids are an error; another namespace belongs into the setting."""
    row = "ATTRIBUTE,person.gender,customer.attributes.gender"
    code, found = linted(place, row, first="ATTRIBUTE,identities.ecid[0],customer.customer_id")
    assert (code, found) == (1, [("anonymous_id", "error", "customer_id")])
    code, found = linted(place, row, first="ATTRIBUTE,identities.crmid[0],customer.customer_id")
    assert (code, found) == (0, [("customer_id_other", "warning", "customer_id")])
    assert linted(place, row, "ATTRIBUTE,identities.email[0],customer.attributes.email") == (0, [])


@pytest.mark.clock
def test_check_says_whose_profiles_they_are_and_what_is_wrong(place):
    """The settings in words, and a mapping set that reads what is not there fails."""
    linted(place, "ATTRIBUTE,identityMap.Email[0].id,customer.attributes.email")
    told = CliRunner().invoke(
        app, ["check", "--route", "crm", "--json"], env={"BRIDGE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    )
    found = {each["name"]: each for each in json_of(told, exit_code=None)}
    assert found["source"]["found"] == (
        "customer ids are of the namespace user_id, profiles with several: dead letters; audiences: VIP"
    )
    assert not found["mapping"]["ok"]
    assert "source_moved" in found["mapping"]["found"]
