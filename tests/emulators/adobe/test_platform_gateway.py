"""The gateway of the emulated platform: what is checked before any API, and how it misbehaves."""

from __future__ import annotations

import httpx
import pytest
from platform_client import CATALOG, FLOWS, IDS, NAMESPACES, REGISTRY, PlatformClient


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Authorization": ""}, "403010"),
        ({"Authorization": "Bearer wrong"}, "401013"),
        ({"x-api-key": ""}, "403000"),
        ({"x-api-key": "another"}, "403003"),
        ({"x-gw-ims-org-id": ""}, "400003"),
        ({"x-gw-ims-org-id": "another@AdobeOrg"}, "403025"),
    ],
)
async def test_headers_are_checked_with_the_gateways_codes(platform, changes, code):
    """A missing or wrong token, key or organisation gets the documented code, its first digits being the status."""
    answer = await platform.call("GET", NAMESPACES, **changes)
    assert answer.status_code == int(code[:3])
    assert answer.json()["error_code"] == code


async def test_a_credential_without_a_product_profile_is_told_so(adobe, platform):
    """403025 as long as the credential is not entitled."""
    adobe.control(platform={"entitled": False})
    assert (await platform.call("GET", NAMESPACES)).json()["error_code"] == "403025"
    adobe.control(platform={"entitled": True})
    assert (await platform.call("GET", NAMESPACES)).status_code == 200


async def test_sandboxes_are_apart(adobe, platform):
    """What is made in one sandbox is not in another; an unknown one is refused, in Flow Service with 2100."""
    await platform.schema()
    other = PlatformClient(adobe, platform.http, "dev")
    other.headers["Authorization"] = platform.headers["Authorization"]
    path = f"{REGISTRY}/tenant/schemas"
    assert len((await platform.call("GET", path, Accept=IDS)).json()["results"]) == 1
    assert (await other.call("GET", path, Accept=IDS)).json()["results"] == []
    other.headers["x-sandbox-name"] = "gone"
    assert (await other.call("GET", path, Accept=IDS)).status_code == 404
    assert "FLOW-2100-404" in (await other.call("GET", f"{FLOWS}/flows")).text


async def test_the_sandbox_header_is_optional_or_required(adobe, platform):
    """Without x-sandbox-name it is the default sandbox, or under the other reading an error (2105 in Flow Service)."""
    del platform.headers["x-sandbox-name"]
    assert (await platform.call("GET", NAMESPACES)).status_code == 200
    adobe.control(platform={"oddities": {"sandbox_header": "required"}})
    assert (await platform.call("GET", NAMESPACES)).json()["error_code"] == "400003"
    assert "FLOW-2105-400" in (await platform.call("GET", f"{FLOWS}/flows")).text


async def test_sandboxes_are_listed_page_by_page(platform):
    """The list is paged by limit and offset, and ends without a next link."""
    base = "/data/foundation/sandbox-management/"
    first = (await platform.call("GET", f"{base}?limit=1&offset=0")).json()
    second = (await platform.call("GET", f"{base}?limit=1&offset=1")).json()
    assert [one["sandboxes"][0]["name"] for one in (first, second)] == ["prod", "dev"]
    assert "next" in first["_links"]
    assert "next" not in second["_links"]
    assert first["sandboxes"][0] | {"eTag": 2, "isDefault": True, "state": "active"} == first["sandboxes"][0]


async def test_permissions_are_needed_and_can_be_asked_for(adobe, platform):
    """A role without a permission reads and cannot write; effective-policies tells, unless only administrators may ask."""
    adobe.control(platform={"permissions": ["view-schemas", "view-datasets", "view-sources"]})
    assert (await platform.call("GET", f"{REGISTRY}/tenant/schemas", Accept=IDS)).status_code == 200
    assert (await platform.call("POST", f"{REGISTRY}/tenant/schemas", {"title": "x"})).status_code == 403
    assert "FLOW-2118-403" in (await platform.call("POST", f"{FLOWS}/flows", {"name": "x"})).text
    assert (await platform.call("GET", NAMESPACES)).status_code == 403
    path = "/data/foundation/access-control/acl/effective-policies"
    asked = ["/permissions/manage-datasets", "/permissions/view-datasets", "/resource-types/schemas"]
    answer = await platform.call("POST", path, asked)
    assert answer.json() == {"policies": {"/permissions/view-datasets": ["*"], "/resource-types/schemas": ["read"]}}
    adobe.control(platform={"permissions": None})
    full = (await platform.call("POST", path, asked)).json()["policies"]
    assert full["/resource-types/schemas"] == ["read", "write", "delete"]
    assert full["/permissions/manage-datasets"] == ["*"]
    adobe.control(platform={"oddities": {"effective_policies": "administrators"}})
    assert (await platform.call("POST", path, asked)).status_code == 403


async def test_too_many_requests_with_and_without_retry_after(adobe, platform):
    """429 has the gateway's body and Retry-After; under the other reading the header is missing."""
    adobe.control(platform={"fail": {"status": 429, "retry_after": 3, "count": 1}})
    answer = await platform.call("GET", NAMESPACES)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3")
    assert answer.json() == {"error_code": "429050", "message": "Too many requests"}
    adobe.control(
        platform={"oddities": {"retry_after": "missing"}, "fail": {"status": 429, "retry_after": 3, "count": 1}}
    )
    assert "Retry-After" not in (await platform.call("GET", NAMESPACES)).headers
    assert (await platform.call("GET", NAMESPACES)).status_code == 200


@pytest.mark.parametrize("trouble", [{"hang": {"for_seconds": 60}}, {"reset": {}}, {"fail": {"status": 504}}])
async def test_a_call_may_take_effect_without_its_answer(adobe, platform, trouble):
    """With when: after the dataset is there although the caller never hears so, hence a repeated POST makes a second."""
    schema = await platform.schema()
    reference = {"name": "Data", "schemaRef": {"id": schema["$id"]}}
    spell = {
        name: {"when": "after", "method": "POST", "path": "/dataSets", "count": 1} | one
        for name, one in trouble.items()
    }
    adobe.control(platform=spell)
    platform.http.timeout = httpx.Timeout(0.3)
    try:
        answer = await platform.call("POST", f"{CATALOG}/dataSets", reference)
        assert answer.status_code == 504
    except httpx.TransportError:
        pass
    assert len((await platform.call("GET", f"{CATALOG}/dataSets?name=Data")).json()) == 1
    assert (await platform.call("POST", f"{CATALOG}/dataSets", reference)).status_code == 201
    assert len((await platform.call("GET", f"{CATALOG}/dataSets?name=Data")).json()) == 2


async def test_trouble_can_wait_for_its_call(adobe, platform):
    """A spell with skip lets so many calls that fit pass first, and others do not count."""
    adobe.control(platform={"fail": {"status": 500, "path": "/idnamespace", "skip": 1, "count": 1}})
    paths = (f"{FLOWS}/flows", NAMESPACES, f"{FLOWS}/flows", NAMESPACES, NAMESPACES)
    statuses = [(await platform.call("GET", path)).status_code for path in paths]
    assert statuses == [200, 200, 200, 500, 200]


async def test_what_is_there_and_what_was_asked_is_shown(adobe, platform):
    """GET /platform counts resources by sandbox and logs the calls; clear empties every sandbox."""
    await platform.schema()
    shown = (await platform.http.get(f"{adobe.url}/platform")).json()
    assert shown["sandboxes"]["prod"] | {"fieldgroups": 1, "schemas": 1, "datasets": 0} == shown["sandboxes"]["prod"]
    assert shown["log"][-1] == ["POST", f"{REGISTRY}/tenant/schemas", 201]
    adobe.control(platform={"clear": True})
    assert (await platform.http.get(f"{adobe.url}/platform")).json()["sandboxes"]["prod"]["schemas"] == 0


@pytest.mark.parametrize(
    "message",
    [{"oddities": {"dataset_names": "sometimes"}}, {"oddities": {"unheard_of": True}}, {"unheard_of": 1}],
)
async def test_a_wrong_control_message_changes_nothing(adobe, platform, message):
    """An unknown reading or key is refused with the place, and nothing of the message is taken over."""
    before = (await platform.http.get(f"{adobe.url}/control")).json()
    answer = await platform.http.post(f"{adobe.url}/control", json={"platform": message | {"entitled": False}})
    assert answer.status_code == 400
    assert answer.json()["problems"]
    assert (await platform.http.get(f"{adobe.url}/control")).json() == before


async def test_unknown_paths_and_methods(platform):
    """404 for a path that no API has, 405 for a method that the path does not take."""
    assert (await platform.call("GET", "/data/foundation/unheard-of")).status_code == 404
    assert (await platform.call("DELETE", f"{NAMESPACES}/10")).status_code == 405
