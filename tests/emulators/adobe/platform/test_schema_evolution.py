"""What may a schema be, and what may change once it is in use? Classes, union tag, and changes that only add."""

from __future__ import annotations

import copy

import pytest
from platform_client import EVENT_CLASS, FULL, REGISTRY, XED, encoded
from registry_bodies import DESCRIPTORS, GROUPS, SCHEMAS, identity


async def test_a_schema_has_one_class_and_known_references(platform):
    """meta:class and meta:extends are the server's; without a class, or with an unknown reference, a schema is refused."""
    schema = await platform.schema()
    assert schema["meta:class"] == EVENT_CLASS
    assert "https://ns.adobe.com/xdm/context/identitymap" in schema["meta:extends"]
    group = (await platform.field_group("G"))["$id"]
    none = await platform.call("POST", SCHEMAS, {"title": "N", "allOf": [{"$ref": group}]})
    gone = await platform.call("POST", SCHEMAS, {"title": "N", "allOf": [{"$ref": EVENT_CLASS}, {"$ref": group + "0"}]})
    assert (none.status_code, gone.status_code) == (400, 400)


async def test_one_path_has_one_type_in_a_class(platform):
    """XDM-1413 where another schema of the class has the path with another type."""
    await platform.schema("One")
    other = await platform.field_group("Other", {"campaignId": {"type": "integer"}})
    body = {"title": "Two", "allOf": [{"$ref": EVENT_CLASS}, {"$ref": other["$id"]}]}
    assert "XDM-1413-400" in (await platform.call("POST", SCHEMAS, body)).text


async def test_the_union_tag_is_for_ever(platform):
    """It can be sent at creation or patched in; it cannot be removed, nor the schema deleted; the union shows its fields."""
    schema = await platform.schema()
    path = f"{SCHEMAS}/{encoded(schema['$id'])}"
    tag = [{"op": "add", "path": "/meta:immutableTags", "value": ["union"]}]
    assert (await platform.call("PATCH", path, tag)).json()["meta:immutableTags"] == ["union"]
    assert (
        "XDM-1526-400" in (await platform.call("PATCH", path, [{"op": "remove", "path": "/meta:immutableTags"}])).text
    )
    assert (await platform.call("DELETE", path)).status_code == 400
    union = f"{REGISTRY}/tenant/unions/{encoded(EVENT_CLASS + '__union')}"
    found = (await platform.call("GET", union, Accept=FULL)).json()
    assert "_yourorgname" in found["properties"]


async def test_the_union_tag_needs_an_identity(platform):
    """A schema without identityMap and primary identity is refused (XDM-1528); a primary identity descriptor mends it."""
    group = await platform.field_group("G", {"customerId": {"type": "string"}})
    profile = "https://ns.adobe.com/xdm/context/profile"
    body = {"title": "P", "allOf": [{"$ref": profile}, {"$ref": group["$id"]}]}
    schema = await platform.made(SCHEMAS, body)
    path, tag = f"{SCHEMAS}/{schema['meta:altId']}", [{"op": "add", "path": "/meta:immutableTags", "value": ["union"]}]
    assert "XDM-1528-400" in (await platform.call("PATCH", path, tag)).text
    await platform.made(DESCRIPTORS, identity(schema, "/_yourorgname/customerId", "Email", primary=True))
    assert (await platform.call("PATCH", path, tag)).status_code == 200


ADDED = {
    "op": "add",
    "path": "/definitions/customFields/properties/_yourorgname/properties/more",
    "value": {"type": "string"},
}
GONE = {"op": "remove", "path": "/definitions/customFields/properties/_yourorgname/properties/clicks"}
RETYPED = GONE | {"op": "replace", "value": {"type": "string"}}
NARROWED = GONE | {"op": "replace", "value": {"type": "integer", "maximum": 5}}


@pytest.mark.parametrize("use", ["nothing", "dataset", "union"])
async def test_a_schema_in_use_takes_additive_changes_only(platform, use):
    """Before its first dataset or union tag anything goes; after it fields are added, never removed, retyped or narrowed."""
    group = await platform.field_group("G")
    schema = await platform.schema("S", group["$id"], union=use == "union")
    if use == "dataset":
        await platform.dataset(schema["$id"])
    path = f"{GROUPS}/{encoded(group['$id'])}"
    assert (await platform.call("PATCH", path, [ADDED])).status_code == 200
    for breaking in (NARROWED, RETYPED, GONE):
        answer = await platform.call("PATCH", path, [breaking])
        assert answer.status_code == (200 if use == "nothing" else 400), answer.text
    kept = copy.deepcopy(group)
    assert (await platform.call("PUT", path, kept)).status_code == (200 if use == "nothing" else 400)


async def test_when_evolution_locks_and_its_code_can_be_chosen(adobe, platform):
    """Under the other reading a dataset without data locks nothing; the refusal's code, which nobody documents, can be set."""
    group = await platform.field_group("G")
    await platform.dataset((await platform.schema("S", group["$id"]))["$id"])
    path = f"{GROUPS}/{encoded(group['$id'])}"
    adobe.control(platform={"oddities": {"breaking_change_code": "XDM-1234-409"}})
    refused = await platform.call("PATCH", path, [GONE])
    assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (409, "XDM-1234-409")
    adobe.control(platform={"oddities": {"evolution_locks": "ingestion"}})
    assert (await platform.call("PATCH", path, [GONE])).status_code == 200


async def test_a_resource_in_use_cannot_be_deleted(platform):
    """A field group of a schema stays, and the schema of a dataset; unused ones go with 204."""
    group = await platform.field_group("G")
    schema = await platform.schema("S", group["$id"])
    dataset = await platform.dataset(schema["$id"])
    for path in (f"{GROUPS}/{group['meta:altId']}", f"{SCHEMAS}/{schema['meta:altId']}"):
        assert (await platform.call("DELETE", path)).status_code == 400
    await platform.call("DELETE", f"/data/foundation/catalog/dataSets/{dataset}")
    for path in (f"{SCHEMAS}/{schema['meta:altId']}", f"{GROUPS}/{group['meta:altId']}"):
        assert (await platform.call("DELETE", path)).status_code == 204
        assert "XDM-1010-404" in (await platform.call("GET", path, Accept=XED)).text
