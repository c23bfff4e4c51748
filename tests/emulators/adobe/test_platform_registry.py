"""The emulated Schema Registry and Identity namespaces, fact by fact as Adobe documents them."""

from __future__ import annotations

import copy

import pytest
from platform_client import EVENT_CLASS, FIELDS, FULL, IDS, NAMESPACES, REGISTRY, XED, encoded, field_group

from bridge.xdm.schema.compiled_schema import compile_schema

GROUPS, SCHEMAS, DESCRIPTORS = (f"{REGISTRY}/tenant/{name}" for name in ("fieldgroups", "schemas", "descriptors"))
XDM = "application/vnd.adobe.xdm+json"
NAMESPACE = {"name": "MoEngage ID", "code": "MoEngageID", "idType": "CROSS_DEVICE"}


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


async def test_the_tenant_comes_from_stats(platform):
    """The tenant's id stands without underscore, beside counts of what there is."""
    await platform.schema()
    stats = (await platform.call("GET", f"{REGISTRY}/stats")).json()
    assert stats["tenantId"] == "yourorgname"
    assert stats["counts"] == {"schemas": 1, "mixins": 1, "datatypes": 0, "classes": 0, "unions": 0}


async def test_the_server_adds_to_what_it_was_sent(platform):
    """A field group comes back with id, altId, version, etag and meta:xdmType; its kind is mixins though the path is not."""
    made = await platform.field_group()
    assert made["$id"].startswith("https://ns.adobe.com/yourorgname/mixins/")
    assert made["meta:altId"] == "_yourorgname.mixins." + made["$id"].rpartition("/")[2]
    assert (made["meta:resourceType"], made["version"]) == ("mixins", "1.0")
    fields = made["definitions"]["customFields"]["properties"]["_yourorgname"]["properties"]
    assert {name: field["meta:xdmType"] for name, field in fields.items()} == {
        "campaignId": "string",
        "clicks": "int",
        "sentAt": "date-time",
        "attributes": "map",
    }
    for identifier in (encoded(made["$id"]), made["meta:altId"]):
        assert (await platform.call("GET", f"{GROUPS}/{identifier}", Accept=XED)).json()["$id"] == made["$id"]


@pytest.mark.parametrize("kind", ["fieldgroups", "schemas", "classes", "datatypes"])
async def test_titles_are_unique_over_all_kinds(platform, kind):
    """A title that a field group has is refused for any other resource (XDM-1521), naming the holder."""
    held = await platform.field_group("Taken")
    body = field_group("Taken") | ({"allOf": [{"$ref": EVENT_CLASS}]} if kind == "schemas" else {})
    answer = await platform.call("POST", f"{REGISTRY}/tenant/{kind}", body)
    assert answer.status_code == 400
    assert "XDM-1521-400" in answer.text
    assert held["$id"] in answer.text


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"_hidden": {"type": "string"}}, "XDM-1021"),
        ({"two words": {"type": "string"}}, "XDM-1021"),
        ({"Name": {"type": "string"}, "name": {"type": "string"}}, "XDM-1022"),
        ({"when": {"type": "date"}}, "XDM-1023"),
        ({"list": {"type": "array"}}, "XDM-1024"),
        ({"object": {"type": "object"}}, "XDM-1024"),
        ({"map": {"type": "object", "meta:xdmType": "map"}}, "XDM-1024"),
    ],
)
async def test_fields_are_checked(platform, fields, code):
    """Names, types, arrays and maps follow the documented constraints."""
    answer = await platform.call("POST", GROUPS, field_group("Wrong", fields))
    assert answer.status_code == 400
    assert code in answer.json()["type"]


async def test_custom_fields_stand_under_the_tenant(platform):
    """A field outside _tenant is refused (XDM-1020)."""
    answer = await platform.call("POST", GROUPS, field_group("Wrong", FIELDS, tenant="_another"))
    assert "XDM-1020-400" in answer.text


@pytest.mark.parametrize(
    "accept", ["application/json", "*/*", "application/vnd.adobe.xed-odd+json", "application/vnd.adobe.xed+json"]
)
async def test_a_lookup_wants_an_accept_header_with_a_version(adobe, platform, accept):
    """Another media type, or none with a version, is a problem, or 406 as older deployments say."""
    path = f"{GROUPS}/{(await platform.field_group())['meta:altId']}"
    assert (await platform.call("GET", path, Accept=accept)).json()["type"].endswith(("XDM-1006-400", "XDM-1008-400"))
    adobe.control(platform={"oddities": {"wrong_accept": "not_acceptable"}})
    assert (await platform.call("GET", path, Accept=accept)).status_code == 406


async def test_the_form_depends_on_accept(platform):
    """Short rows, references kept, resolved, without texts, with descriptors: each by its media type."""
    schema = await platform.schema()
    path = f"{SCHEMAS}/{schema['meta:altId']}"
    (row,) = (await platform.call("GET", SCHEMAS, Accept=IDS)).json()["results"]
    assert set(row) == {"title", "$id", "meta:altId", "version"}
    kept = (await platform.call("GET", path, Accept=XED)).json()
    assert kept["allOf"][0]["$ref"] == EVENT_CLASS
    assert "properties" not in kept
    full = (await platform.call("GET", path, Accept=FULL)).json()
    assert {"_id", "timestamp", "identityMap", "_yourorgname"} <= full["properties"].keys()
    assert "allOf" not in full
    assert full["properties"]["_yourorgname"]["properties"]["campaignId"]["title"] == "Campaign id"
    bare = (await platform.call("GET", path, Accept=FULL.replace("-full", "-full-notext"))).json()
    assert "title" not in bare["properties"]["_yourorgname"]["properties"]["campaignId"]
    described = (await platform.call("GET", path, Accept=FULL.replace("-full", "-full-desc"))).json()
    assert described["meta:descriptors"] == []


async def test_the_resolved_form_is_one_that_the_bridge_reads(platform):
    """xed-full compiles to a schema of an event: class, identityMap, map of text, and what is required."""
    schema = await platform.schema()
    full = (await platform.call("GET", f"{SCHEMAS}/{encoded(schema['$id'])}", Accept=FULL)).json()
    compiled = compile_schema(full)
    assert compiled.wrong_class is None
    assert compiled.root.required == {"_id", "timestamp"}
    assert compiled.type_at("_yourorgname.attributes").type == "map"
    assert compiled.type_at("identityMap.Email[0].id").type == "string"


async def test_a_list_is_paged_by_a_value_of_the_sort_key(platform):
    """_page.next is a title when sorted by title; the last page has null."""
    for title in ("C", "A", "B"):
        await platform.field_group(title)
    titles, start, rounds = [], "", 0
    while start is not None and rounds < 5:
        query = f"orderby=title&limit=2{f'&start={start}' if start else ''}"
        page = (await platform.call("GET", f"{GROUPS}?{query}", Accept=IDS)).json()
        titles += [one["title"] for one in page["results"]]
        start, rounds = page["_page"]["next"], rounds + 1
    assert titles == ["A", "B", "C"]


async def test_start_without_orderby_gives_an_empty_list(adobe, platform):
    """The trap that makes a naive loop believe that nothing exists; under the other reading it is paged."""
    group = await platform.field_group()
    path = f"{GROUPS}?start={encoded(group['$id'])}"
    assert (await platform.call("GET", path, Accept=IDS)).json()["results"] == []
    adobe.control(platform={"oddities": {"registry_paging": "plain"}})
    assert len((await platform.call("GET", path, Accept=IDS)).json()["results"]) == 1


async def test_property_filters(platform):
    """By title, by tag and class together, by existence and by inequality."""
    await platform.schema("One", union=True)
    await platform.schema("Two", (await platform.field_group("Other"))["$id"])

    async def titles(*conditions):
        query = "&".join(f"property={encoded(one)}" for one in conditions)
        found = await platform.call("GET", f"{SCHEMAS}?{query}", Accept=IDS)
        return {one["title"] for one in found.json()["results"]}

    assert await titles("title==Two") == {"Two"}
    assert await titles("meta:immutableTags==union", f"meta:class=={EVENT_CLASS}") == {"One"}
    assert await titles("meta:immutableTags") == {"One"}
    assert await titles("title!=One") == {"Two"}
    assert await titles("title==Three") == set()


async def test_a_patch_bumps_version_and_etag(adobe, platform):
    """Last writer wins whatever If-Match says; under the other reading a stale one is 412."""
    schema = await platform.schema()
    path = f"{SCHEMAS}/{encoded(schema['$id'])}"
    patch = [{"op": "replace", "path": "/description", "value": "new"}]
    changed = await platform.call("PATCH", path, patch, If_Match="stale")
    assert (changed.status_code, changed.json()["version"], changed.json()["description"]) == (200, "1.1", "new")
    assert changed.json()["meta:registryMetadata"]["eTag"] != schema["meta:registryMetadata"]["eTag"]
    adobe.control(platform={"oddities": {"registry_if_match": "checked"}})
    assert (await platform.call("PATCH", path, patch, If_Match="stale")).status_code == 412


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


def identity(schema, path, namespace, *, primary=False):
    """The body of an identity descriptor."""
    return {
        "@type": "xdm:descriptorIdentity",
        "xdm:sourceSchema": schema["$id"],
        "xdm:sourceVersion": 1,
        "xdm:sourceProperty": path,
        "xdm:namespace": namespace,
        "xdm:property": "xdm:code",
        "xdm:isPrimary": primary,
    }


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


async def test_export_sample_and_log(platform):
    """Export replaces the tenant by its placeholder, a sample has XDM's own names, the log tells what was done."""
    schema = await platform.schema()
    exported = (await platform.call("GET", f"{REGISTRY}/rpc/export/{schema['meta:altId']}", Accept=XED)).text
    assert "yourorgname" not in exported
    assert "<XDM_TENANTID_PLACEHOLDER>" in exported
    sample = (await platform.call("GET", f"{REGISTRY}/rpc/sampledata/{schema['meta:altId']}")).json()
    assert {"@id", "xdm:timestamp", "xdm:identityMap"} <= sample.keys()
    log = (await platform.call("GET", f"{REGISTRY}/rpc/auditlog/{encoded(schema['$id'])}")).json()
    assert [one["action"] for one in log] == ["add"]
