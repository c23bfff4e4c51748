"""How does the emulated Identity Service take and keep namespaces? Fact by fact as Adobe documents it."""

from __future__ import annotations

from platform_client import NAMESPACES
from registry_bodies import NAMESPACE


async def test_namespaces_are_a_bare_array_with_adobes_own(platform):
    """No paging, standard ones there with custom false, codes in mixed case."""
    listed = (await platform.call("GET", NAMESPACES)).json()
    codes = {one["code"]: one for one in listed}
    assert {"ECID", "Email", "Phone"} <= codes.keys()
    assert not codes["Email"]["custom"]


async def test_a_namespace_is_answered_200_and_never_goes_away(platform):
    """POST gives 200 with the object; the code is taken (in any case) ever after; there is no DELETE."""
    made = await platform.call("POST", NAMESPACES, NAMESPACE)
    assert made.status_code == 200
    assert made.json() | {"code": "MoEngageID", "custom": True, "status": "ACTIVE"} == made.json()
    again = await platform.call("POST", NAMESPACES, NAMESPACE | {"code": "moengageid"})
    assert again.status_code == 409
    assert again.json()["report"]["code"] == "INTEGRATION_CODE_EXISTS"
    path = f"{NAMESPACES}/{made.json()['id']}"
    assert (await platform.call("DELETE", path)).status_code == 405
    assert (await platform.call("GET", path)).json()["code"] == "MoEngageID"
    assert (await platform.call("GET", f"{NAMESPACES}/1")).json()["title"] == "NAMESPACE_NOT_FOUND"


async def test_a_namespace_keeps_code_and_type(platform):
    """PUT replaces name and description; another code or type, and any change of a standard one, is 400."""
    path = f"{NAMESPACES}/{(await platform.made(NAMESPACES, NAMESPACE))['id']}"
    changed = await platform.call("PUT", path, NAMESPACE | {"name": "Other", "description": "d"})
    assert (changed.status_code, changed.json()["name"]) == (200, "Other")
    assert (await platform.call("PUT", path, NAMESPACE | {"idType": "EMAIL"})).status_code == 400
    assert (await platform.call("PUT", path, NAMESPACE | {"code": "Other"})).status_code == 400
    standard = {"name": "E-mail", "code": "Email", "idType": "EMAIL"}
    assert (await platform.call("PUT", f"{NAMESPACES}/6", standard)).status_code == 400


async def test_readings_of_namespaces(adobe, platform):
    """Underscores in a code, and the case of idType, under both readings."""
    sent = {"name": "n", "code": "b2b_account", "idType": "Cross_device"}
    assert (await platform.made(NAMESPACES, sent))["idType"] == "CROSS_DEVICE"
    adobe.control(platform={"oddities": {"namespace_codes": "alphanumeric", "id_type_case": "as_sent"}})
    assert (await platform.call("POST", NAMESPACES, sent | {"code": "b2c_account"})).status_code == 400
    assert (await platform.made(NAMESPACES, sent | {"code": "b2c"}))["idType"] == "Cross_device"
    assert (await platform.call("POST", NAMESPACES, sent | {"code": "x", "idType": "SHOE"})).status_code == 400
