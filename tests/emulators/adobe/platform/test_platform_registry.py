"""How does the emulated Schema Registry take, find and list resources? Fact by fact as Adobe documents it."""

from __future__ import annotations

import pytest
from platform_client import EVENT_CLASS, FIELDS, FULL, IDS, REGISTRY, XED, encoded, field_group
from registry_bodies import GROUPS, SCHEMAS

from bridge.xdm.schema.compiled_schema import compile_schema


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
