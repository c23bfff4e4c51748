"""The emulated Destination SDK held to Adobe's documents: one table, a row a documented fact.

Each row is a call to a sandbox with one destination server, one destination and a connection, with the status and the words that its
answer must have. Documents: AEP docs, destinations/destination-sdk (authoring-api, testing-api, functionality, guardrails).
"""

from __future__ import annotations

import httpx
import pytest
from platform_client import PlatformClient

from bridge.emulators.adobe import Emulator

BASE = "/data/core/activation/authoring"
SERVERS, DESTINATIONS = f"{BASE}/destination-servers", f"{BASE}/destinations"
SAMPLES, RENDER = f"{BASE}/sample-profiles", f"{BASE}/testing/template/render"
SERVER = {
    "name": "One",
    "destinationServerType": "URL_BASED",
    "urlBasedDestination": {"url": {"templatingStrategy": "PEBBLE_V1", "value": "https://{{customerData.host}}/x"}},
    "httpTemplate": {
        "httpMethod": "POST",
        "contentType": "application/json",
        "requestBody": {"templatingStrategy": "PEBBLE_V1", "value": "{}"},
    },
}
DESTINATION = {
    "name": "One",
    "status": "TEST",
    "customerAuthenticationConfigurations": [{"authType": "BEARER"}],
    "identityNamespaces": {"external_id": {"acceptsAttributes": True}},
    "aggregation": {"aggregationType": "BEST_EFFORT", "bestEffortAggregation": {"maxUsersPerRequest": 2}},
    "destinationDelivery": [{"authenticationRule": "CUSTOMER_AUTHENTICATION", "destinationServerId": "{server}"}],
}
OTHER_SERVER = DESTINATION | {"destinationDelivery": [{"destinationServerId": "none"}]}
OAUTH = DESTINATION | {"customerAuthenticationConfigurations": [{"authType": "OAUTH2"}]}


def rendered(template, profiles=None):
    """The body of a render call."""
    return {"destinationId": "{destination}", "template": template} | ({"profiles": profiles} if profiles else {})


MEMBER = {"segmentMembership": {"ups": {"a": {"status": "realized"}, "b": {"status": "exited"}}}}

# fact, method, path, body, headers, status, what the answer holds ("!" before what it lacks)
FACTS = [
    ("a token is needed", "GET", SERVERS, None, {"Authorization": ""}, 403, '"403010"'),
    ("a sandbox is apart", "GET", SERVERS, None, {"x-sandbox-name": "dev"}, 200, '"items":[]'),
    ("servers are items", "GET", SERVERS, None, {}, 200, '{"items":[{"instanceId":"'),
    ("a server reads as it was written", "GET", f"{SERVERS}/{{server}}", None, {}, 200, '"destinationServerType":"URL_BASED"'),
    ("an unknown server", "GET", f"{SERVERS}/none", None, {}, 404, "none"),
    ("a creation is answered 200 with its id", "POST", SERVERS, SERVER, {}, 200, '"instanceId"'),
    ("names may be given twice", "POST", DESTINATIONS, DESTINATION, {}, 200, '"instanceId"'),
    ("a name is needed", "POST", SERVERS, {"destinationServerType": "URL_BASED"}, {}, 400, "name"),
    ("a PUT replaces everything", "PUT", f"{DESTINATIONS}/{{destination}}", DESTINATION, {}, 200, '!"description"'),
    ("a PUT keeps the id", "PUT", f"{DESTINATIONS}/{{destination}}", DESTINATION, {}, 200, '"instanceId":"{destination}"'),
    ("an unknown one is not replaced", "PUT", f"{DESTINATIONS}/none", DESTINATION, {}, 404, "none"),
    ("a deletion has no body", "DELETE", f"{DESTINATIONS}/{{destination}}", None, {}, 200, ""),
    ("backfill is always on", "GET", f"{DESTINATIONS}/{{destination}}", None, {}, 200, '"backfillHistoricalProfileData":true'),
    ("a destination names a server", "POST", DESTINATIONS, OTHER_SERVER, {}, 400, "none"),
    ("OAuth needs a grant and a token URL", "POST", DESTINATIONS, OAUTH, {}, 400, "accessTokenUrl"),
    # sample profiles
    ("samples of the target schema", "GET", f"{SAMPLES}?destinationId={{destination}}&count=1", None, {}, 200, '"external_id-'),
    ("as many as a call holds", "GET", f"{SAMPLES}?destinationId={{destination}}", None, {}, 200, '},{{"segmentMembership"'),
    ("made-up audiences", "GET", f"{SAMPLES}?destinationId={{destination}}", None, {}, 200, '"segmentid3"'),
    ("samples of the source schema", "GET", f"{SAMPLES}?destinationInstanceId={{instance}}", None, {}, 200, '"ECID-'),
    ("a count of 0", "GET", f"{SAMPLES}?destinationId={{destination}}&count=0", None, {}, 400, "count"),
    ("a count of 1001", "GET", f"{SAMPLES}?destinationId={{destination}}&count=1001", None, {}, 400, "count"),
    ("samples of what", "GET", SAMPLES, None, {}, 400, "destinationId"),
    # templates
    ("a template to begin with", "GET", f"{BASE}/testing/template/sample/{{destination}}", None, {}, 200, "input.profiles"),
    ("profiles are printed as JSON", "POST", RENDER, rendered("{% for p in input.profiles %}{{p|raw}}{% endfor %}", [MEMBER]), {}, 200, '"output":"{{\\"segmentMembership\\"'),
    ("profiles come back", "POST", RENDER, rendered("x", [MEMBER]), {}, 200, '"profiles":[{{"segmentMembership"'),
    ("without profiles some are made up", "POST", RENDER, rendered("{% for p in input.profiles %}{{p|raw}}{% endfor %}"), {}, 200, "segmentid1"),
    ("values are escaped", "POST", RENDER, rendered("{% for p in input.profiles %}{{p.x}}{% endfor %}", [{"x": "<&"}]), {}, 200, '"output":"&lt;&amp;"'),
    ("added audiences", "POST", RENDER, rendered("{% for s in addedSegments(input.profiles[0].segmentMembership.ups) %}<{{s.key}}>{% endfor %}", [MEMBER]), {}, 200, '"output":"<a>"'),
    ("removed audiences", "POST", RENDER, rendered("{% for s in input.profiles[0].segmentMembership.ups | removed %}<{{s.key}}>{% endfor %}", [MEMBER]), {}, 200, '"output":"<b>"'),
    ("other tags", "POST", RENDER, rendered("{% macro x() %}{% endmacro %}"), {}, 400, "macro"),
    ("no range", "POST", RENDER, rendered("{{ range(1, 2) }}"), {}, 400, "range"),
    ("an open tag", "POST", RENDER, rendered("{% for p in input.profiles %}"), {}, 400, "endfor"),
    ("an unknown destination", "POST", RENDER, {"destinationId": "none", "template": "x"}, {}, 404, "none"),
    ("an unknown connection", "POST", f"{BASE}/testing/destinationInstance/none", None, {}, 404, "none"),
]  # fmt: skip


@pytest.fixture
async def stage():
    """A client, and the names that the table's braces stand for."""
    async with Emulator(sandboxes=("prod", "dev")) as emulator, httpx.AsyncClient() as http:
        platform = await PlatformClient(emulator, http).sign_in()
        server = (await platform.made(SERVERS, SERVER))["instanceId"]
        names = {"server": server, "instance": "instance-1"}
        made = await platform.made(DESTINATIONS, filled(DESTINATION, names) | {"description": "It"})
        names["destination"] = made["instanceId"]
        emulator.control(
            platform={
                "connections": [
                    {"id": "instance-1", "destination": made["instanceId"], "identities": {"ECID": "external_id"}}
                ]
            }
        )
        yield platform, names


def filled(value, names):
    """Every ``{name}`` that is known replaced; other braces are the templates' own."""
    if isinstance(value, dict):
        return {key: filled(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, names) for one in value]
    if isinstance(value, str):
        for name, text in names.items():
            value = value.replace(f"{{{name}}}", text)
    return value


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "holds"), [row[1:] for row in FACTS], ids=[row[0] for row in FACTS]
)
async def test_it_answers_as_documented(stage, method, path, body, headers, status, holds):  # noqa: PLR0917 - a row of the table
    """The row's fact."""
    platform, names = stage
    answer = await platform.call(method, filled(path, names), filled(body, names), **headers)
    assert answer.status_code == status, answer.text
    wanted = filled(holds.removeprefix("!"), names).replace("{{", "{")
    assert (wanted not in answer.text) if holds.startswith("!") else (wanted in answer.text), answer.text


async def test_six_are_too_many(stage):
    """Five private destinations an organisation."""
    platform, names = stage
    for _ in range(4):
        await platform.made(DESTINATIONS, filled(DESTINATION, names))
    assert (await platform.call("POST", DESTINATIONS, filled(DESTINATION, names))).status_code == 400


@pytest.mark.parametrize("path", [SERVERS, DESTINATIONS, SAMPLES])
async def test_a_permission_of_its_own(stage, path):
    """Destination Authoring, and no other: 403 without."""
    platform, _ = stage
    platform.emulator.control(platform={"permissions": ["manage-sources", "manage-datasets"]})
    assert (await platform.call("GET", path)).status_code == 403
    platform.emulator.control(platform={"permissions": ["destination-authoring"]})
    assert (await platform.call("GET", path)).status_code != 403
