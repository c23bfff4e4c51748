"""The emulated Catalog's datasets, fact by fact as Adobe documents them."""

from __future__ import annotations

import pytest
from platform_client import CATALOG

SETS = f"{CATALOG}/dataSets"
PROFILE = {"unifiedProfile": ["enabled:true"], "unifiedIdentity": ["enabled:true"]}


async def test_a_dataset_is_answered_by_a_reference(platform):
    """201 with ["@/dataSets/id"]; lists and lookups are objects keyed by id; no hit is {}."""
    schema = await platform.schema()
    reference = {"id": schema["$id"], "contentType": "application/vnd.adobe.xed+json;version=1"}
    made = await platform.call("POST", SETS, {"name": "Data", "schemaRef": reference})
    identifier = made.json()[0].removeprefix("@/dataSets/")
    assert (made.status_code, len(identifier)) == (201, 24)
    assert made.headers["Location"].endswith(identifier)
    found = (await platform.call("GET", f"{SETS}/{identifier}")).json()
    assert found[identifier] | {"name": "Data", "schemaRef": reference, "version": "1.0.0"} == found[identifier]
    assert "adobe/pqs/table" in found[identifier]["tags"]
    assert (await platform.call("GET", SETS)).json().keys() == {identifier}
    assert (await platform.call("GET", f"{SETS}?name=Other")).json() == {}
    assert (await platform.call("GET", f"{SETS}/{'0' * 24}")).status_code == 404


async def test_names_may_be_given_twice(adobe, platform):
    """Two datasets of one name are two; under the other reading the second is 409."""
    schema = await platform.schema()
    first, second = await platform.dataset(schema["$id"]), await platform.dataset(schema["$id"])
    assert first != second
    adobe.control(platform={"oddities": {"dataset_names": "unique"}})
    answer = await platform.call("POST", SETS, {"name": "Event data", "schemaRef": {"id": schema["$id"]}})
    assert answer.status_code == 409


async def test_lists_have_20_rows_and_100_at_most(platform):
    """Default 20, start is an offset, limit 0 and 101 are 400."""
    schema = (await platform.schema())["$id"]
    made = [await platform.dataset(schema, f"D{number}") for number in range(23)]
    first = (await platform.call("GET", SETS)).json()
    rest = (await platform.call("GET", f"{SETS}?start=20")).json()
    assert [*first, *rest] == made
    assert len((await platform.call("GET", f"{SETS}?limit=100")).json()) == 23
    for limit in (0, 101, "x"):
        assert (await platform.call("GET", f"{SETS}?limit={limit}")).status_code == 400


async def test_filters(platform):
    """By name with stars, tag, time of creation (exclusive), order, chosen properties, and property= on top-level keys only."""
    schema = (await platform.schema(union=True))["$id"]
    first = await platform.dataset(schema, "Alpha")
    second = await platform.dataset(schema, "Beta", tags=PROFILE)

    async def found(query):
        return list((await platform.call("GET", f"{SETS}?{query}")).json())

    assert await found("name=Al*") == [first]
    assert await found("tags=unifiedProfile:*") == [second]
    assert await found("orderBy=desc:name") == [second, first]
    assert await found("property=name==Beta") == [second]
    created = (await platform.call("GET", f"{SETS}/{second}")).json()[second]["created"]
    assert second not in await found(f"createdAfter={created}")
    assert await found(f"createdAfter={created - 1}&name=Beta") == [second]
    shown = (await platform.call("GET", f"{SETS}?properties=name,tags&name=Beta")).json()
    assert shown[second].keys() == {"name", "tags"}
    assert (await platform.call("GET", f"{SETS}?property=schemaRef.id==x")).status_code == 400


@pytest.mark.parametrize("value", ["enabled:true", "enabled: true"])
async def test_the_profile_tag_needs_the_union_tag(platform, value):
    """Refused as long as the schema is not enabled for Profile, at creation and in a patch; a space in it is read, too."""
    plain, union = await platform.schema("Plain"), await platform.schema("Union", union=True)
    tags = {"unifiedProfile": [value], "unifiedIdentity": [value]}
    body = {"name": "D", "schemaRef": {"id": plain["$id"]}}
    assert (await platform.call("POST", SETS, body | {"tags": tags})).status_code == 400
    identifier = await platform.dataset(plain["$id"])
    patch = [{"op": "add", "path": "/tags/unifiedProfile", "value": [value]}]
    assert (await platform.call("PATCH", f"{SETS}/{identifier}", patch)).status_code == 400
    identifier = await platform.dataset(union["$id"], tags=tags)
    assert (await platform.call("GET", f"{SETS}/{identifier}")).json()[identifier]["tags"]["unifiedProfile"] == [value]


async def test_the_code_of_a_refused_profile_tag_can_be_chosen(adobe, platform):
    """Nobody documents it."""
    body = {"name": "D", "schemaRef": {"id": (await platform.schema())["$id"]}, "tags": PROFILE}
    adobe.control(platform={"oddities": {"dataset_without_union": "CATALOG-1234-400"}})
    assert (await platform.call("POST", SETS, body)).json()["type"].endswith("CATALOG-1234-400")


async def test_the_schema_has_to_exist(platform):
    """A dataset of an unknown schema is refused, and a dataset's schema never changes."""
    assert (await platform.call("POST", SETS, {"name": "D", "schemaRef": {"id": "https://x"}})).status_code == 400
    one, two = await platform.schema("One"), await platform.schema("Two", (await platform.field_group("G"))["$id"])
    path = f"{SETS}/{await platform.dataset(one['$id'])}"
    assert (await platform.call("PATCH", path, {"schemaRef": {"id": two["$id"]}})).status_code == 400


async def test_the_etag_is_the_version(platform):
    """E-Tag of a single dataset is its version; a stale If-Match is 412, a right one and none at all pass."""
    path = f"{SETS}/{await platform.dataset((await platform.schema())['$id'])}"
    assert (await platform.call("GET", path)).headers["E-Tag"] == "1.0.0"
    body = {"description": "new"}
    assert (await platform.call("PATCH", path, body, If_Match="0.9.9")).status_code == 412
    assert (await platform.call("PATCH", path, body, If_Match="1.0.0")).status_code == 200
    assert (await platform.call("GET", path)).headers["E-Tag"] == "1.0.1"
    assert (await platform.call("PUT", path, {"name": "Renamed"})).status_code == 200
    (shown,) = (await platform.call("GET", path)).json().values()
    assert (shown["name"], shown["version"]) == ("Renamed", "1.0.2")


async def test_v2_merges_nested_keys(platform):
    """A patch of v2 leaves beside what it names what was there."""
    identifier = await platform.dataset((await platform.schema())["$id"], tags={"mine": ["x"]})
    rule = {"extensions": {"adobe_lakeHouse": {"rowExpiration": {"ttlValue": "P3Y"}}}}
    assert (await platform.call("PATCH", f"{CATALOG}/v2/dataSets/{identifier}", rule)).status_code == 200
    (shown,) = (await platform.call("GET", f"{SETS}/{identifier}")).json().values()
    assert shown["extensions"]["adobe_lakeHouse"]["rowExpiration"] == {"ttlValue": "P3Y"}
    assert shown["extensions"]["adobe_unifiedProfile"] == {}
    assert shown["tags"]["mine"] == ["x"]


async def test_validate_only_stores_nothing(platform):
    """With Pragma: validate-only a right body is answered 200, a wrong one is refused; nothing is made."""
    schema = (await platform.schema())["$id"]
    body = {"name": "D", "schemaRef": {"id": schema}}
    assert (await platform.call("POST", SETS, body, Pragma="validate-only")).status_code == 200
    assert (await platform.call("POST", SETS, {"name": "D"}, Pragma="validate-only")).status_code == 400
    assert (await platform.call("GET", SETS)).json() == {}


async def test_an_unknown_dataset_is_deleted_with_200(platform):
    """DELETE answers 200 with the id, of an unknown one with an empty array."""
    identifier = await platform.dataset((await platform.schema())["$id"])
    first = await platform.call("DELETE", f"{SETS}/{identifier}")
    again = await platform.call("DELETE", f"{SETS}/{identifier}")
    assert (first.status_code, first.json()) == (200, [f"@/dataSets/{identifier}"])
    assert (again.status_code, again.json()) == (200, [])


async def test_a_body_needs_its_media_type(platform):
    """Without Content-Type a POST is a BadRequestError."""
    answer = await platform.http.post(platform.emulator.url + SETS, content=b"{}", headers=platform.headers)
    assert (answer.status_code, "BadRequestError" in answer.text) == (400, True)
