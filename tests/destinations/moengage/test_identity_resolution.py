"""Users without a customer id, whom a workspace with Identity Resolution knows by their attributes."""

import orjson
import pytest

from bridge.destinations.moengage.checks import Checks
from bridge.destinations.moengage.coalescing import fold_items
from bridge.destinations.moengage.rules import rules_of
from bridge.destinations.moengage.shaping import Shaper
from bridge.emulators.moengage.workspace import Workspace
from bridge.model.mapping_rows import Written
from bridge.settings import MoEngageSettings

USER = {"customer": {"attributes": {"moe_mobile": "+4930", "tier": "gold"}}}
EVENT = {"event": {"user_identifiers": {"moe_mobile": "+4930"}, "actions": [{"action": "Order placed"}]}}


def shaped(mapped, *identifiers):
    """What the workspace's rules make of an event."""
    return Shaper(Checks(identifiers=identifiers), most_bytes=95_000).shape(mapped)


@pytest.mark.parametrize("mapped", [USER, EVENT])
def test_an_identifier_stands_for_the_customer_id(mapped):
    """With it the element leaves without a customer id; without the setting, or the attribute, it is a dead letter as ever."""
    (item,) = shaped(mapped, "email", "moe_mobile").items
    assert "customer_id" not in orjson.loads(item)
    for identifiers in ((), ("email",)):
        assert shaped(mapped, *identifiers).rejection.code == "customer_id_missing"


@pytest.mark.parametrize("value", ["", None, 7, ["+4930"]])
def test_what_identifies_is_text(value):
    """Identity Resolution matches text exactly; nothing else identifies anybody."""
    assert shaped({"customer": {"attributes": {"moe_mobile": value, "a": 1}}}, "moe_mobile").rejection is not None


def test_a_wrong_customer_id_is_refused_all_the_same():
    """An identifier excuses an absent id, not one that MoEngage refuses."""
    mapped = {"customer": {"customer_id": "guest", **USER["customer"]}}
    assert shaped(mapped, "moe_mobile").rejection.code == "customer_id_refused"


def test_changes_of_users_without_an_id_are_not_folded():
    """Whether two of them are one user only MoEngage knows."""
    (item,) = shaped(USER, "moe_mobile").items
    assert fold_items(item, item) is None


def test_a_mapping_set_needs_a_row_for_either():
    """Lint asks for the customer id, unless a row writes an identifier."""
    rows = [Written(2, ("customer", "attributes", "moe_mobile"))]
    assert [found.code for found in rules_of(MoEngageSettings()).complaints(rows)] == ["required_missing"]
    assert not rules_of(MoEngageSettings(identifiers="moe_mobile")).complaints(rows)
    with pytest.raises(ValueError, match="at most 5"):
        MoEngageSettings(identifiers="a,b,c,d,e,f")


def test_the_emulated_workspace_finds_the_user():
    """By the attribute that an update with an id has set; a new identifier is a user of its own."""
    workspace = Workspace(identifiers=("moe_mobile",))
    workspace.process({"type": "customer", "customer_id": "C-1", "attributes": {"moe_mobile": "+4930"}})
    for mapped in (USER, EVENT):
        (item,) = shaped(mapped, "moe_mobile").items
        element = orjson.loads(item)
        assert workspace.error(element) is None
        workspace.process(element)
    assert list(workspace.users) == ["C-1"]
    assert workspace.users["C-1"].attributes["tier"] == "gold"
    assert len(workspace.users["C-1"].events) == 1
    assert Workspace().error(orjson.loads(item)) is not None
