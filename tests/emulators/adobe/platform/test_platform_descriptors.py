"""How does the emulated Schema Registry keep descriptors, of identities above all?"""

from __future__ import annotations

from platform_client import EVENT_CLASS, IDS, NAMESPACES, encoded
from registry_bodies import DESCRIPTORS, NAMESPACE, XDM, identity


async def test_descriptors(adobe, platform):
    """Made, listed by type or flat, found without Accept, replaced with either status, deleted; the code changes its case."""
    await platform.made(NAMESPACES, NAMESPACE)
    schema = await platform.schema()
    sent = identity(schema, "/_yourorgname/campaignId", "MoEngageID")
    made = await platform.made(DESCRIPTORS, sent)
    assert made["xdm:namespace"] == "Moengageid"
    grouped = (await platform.call("GET", DESCRIPTORS, Accept=XDM)).json()
    assert [one["@id"] for one in grouped["xdm:descriptorIdentity"]] == [made["@id"]]
    flat = (await platform.call("GET", DESCRIPTORS, Accept=XDM.replace("xdm+", "xdm-v2+"))).json()
    assert [one["@id"] for one in flat["results"]] == [made["@id"]]
    assert (await platform.call("GET", DESCRIPTORS, Accept=IDS)).status_code == 400
    path = f"{DESCRIPTORS}/{made['@id']}"
    assert (await platform.call("GET", path)).json()["@id"] == made["@id"]
    assert (await platform.call("PUT", path, sent)).status_code == 201
    adobe.control(platform={"oddities": {"descriptor_put": 200}})
    assert (await platform.call("PUT", path, sent)).status_code == 200
    assert (await platform.call("DELETE", path)).status_code == 204
    assert (await platform.call("GET", path)).status_code == 404


async def test_a_schema_has_one_primary_identity(platform):
    """A second primary identity is refused, as are unknown fields, namespaces and schemas."""
    schema = await platform.schema()
    sent = identity(schema, "/_yourorgname/campaignId", "email", primary=True)
    await platform.made(DESCRIPTORS, sent)
    wrong = (
        sent | {"xdm:sourceProperty": "/_yourorgname/sentAt"},
        sent | {"xdm:isPrimary": False, "xdm:sourceProperty": "/_yourorgname/nowhere"},
        sent | {"xdm:isPrimary": False, "xdm:namespace": "Nobody"},
        sent | {"xdm:isPrimary": False, "xdm:sourceSchema": EVENT_CLASS},
    )
    for body in wrong:
        assert (await platform.call("POST", DESCRIPTORS, body)).status_code == 400


async def test_readings_of_descriptors(adobe, platform):
    """Twice the same and the filter by schema, under both readings."""
    schema = await platform.schema()
    sent = identity(schema, "/_yourorgname/campaignId", "Email")
    for _ in range(2):
        await platform.made(DESCRIPTORS, sent)
    adobe.control(platform={"oddities": {"descriptors": "unique"}})
    assert (await platform.call("POST", DESCRIPTORS, sent)).status_code == 400
    path = f"{DESCRIPTORS}?property={encoded('xdm:sourceSchema==https://other')}"
    assert (await platform.call("GET", path, Accept=XDM)).json() == {}
    adobe.control(platform={"oddities": {"descriptor_filter": "ignored"}})
    assert len((await platform.call("GET", path, Accept=XDM)).json()["xdm:descriptorIdentity"]) == 2
