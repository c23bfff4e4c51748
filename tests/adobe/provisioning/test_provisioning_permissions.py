"""What does a set-up say that may not do what it is asked to, and where is that put right?"""

from __future__ import annotations

import pytest
from setting_up import append, applied, planned, put

from bridge.adobe.refusals import PlatformError
from bridge.model.errors import BridgeError, SettingsError


async def test_a_missing_permission_is_named_before_anything_happens(adobe):
    """Each that a step of the plan needs, with where to click; what is only read needs no more than to view."""
    view = ["view-schemas", "view-identity-namespaces", "view-datasets", "view-sources"]
    adobe.control(platform={"permissions": [*view, "manage-schemas", "manage-sources"]})
    outlook = await planned()
    missing = [one for one in outlook.checks if one.ok is False]
    assert [one.words for one in missing] == ["Manage Identity Namespaces is missing", "Manage Datasets is missing"]
    assert all("Roles" in one.todo for one in missing)
    adobe.control(platform={"permissions": None})
    await applied()
    adobe.control(platform={"permissions": view})
    outlook = await planned()
    assert outlook.plan.exit_code == 0
    assert not outlook.is_refused


async def test_a_credential_without_sight_is_told_where_to_click(adobe):
    """403 on a read names the role."""
    adobe.control(platform={"permissions": []})
    with pytest.raises(PlatformError) as caught:
        await planned()
    assert "API credentials" in caught.value.hint


async def test_a_credential_without_product_profile_is_told_so(adobe):
    """403025 of the gateway is about the Developer Console."""
    adobe.control(platform={"entitled": False})
    with pytest.raises(PlatformError) as caught:
        await planned()
    assert "product profile" in caught.value.hint


async def test_who_may_not_ask_for_policies_is_not_stopped(adobe):
    """It cannot be told beforehand, and is no failure."""
    adobe.control(platform={"oddities": {"effective_policies": "administrators"}})
    outlook = await planned()
    assert [one.ok for one in outlook.checks] == [True, True, None]
    await applied()


@pytest.mark.parametrize("sandbox", ["elsewhere", "PROD"])
async def test_a_sandbox_out_of_reach_is_told_with_those_that_are_there(adobe, sandbox):
    """With the setting that names it."""
    append(f"BRIDGE_AEP__SANDBOX={sandbox}\n")
    with pytest.raises(BridgeError, match="it has: prod, dev") as caught:
        await planned()
    assert "BRIDGE_AEP__SANDBOX" in caught.value.hint


async def test_missing_credentials_are_named_all_at_once(adobe):
    """Without any, each variable with an example."""
    put(".env", "")
    with pytest.raises(SettingsError, match=r"ORG_ID(.|\n)*CLIENT_ID(.|\n)*CLIENT_SECRET"):
        await planned()
