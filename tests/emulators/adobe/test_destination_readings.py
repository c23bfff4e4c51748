"""Both readings of what Adobe's documents leave open of the Destination SDK."""

from __future__ import annotations

import pytest

BASE = "/data/core/activation/authoring"
SERVER = {
    "name": "One",
    "destinationServerType": "URL_BASED",
    "urlBasedDestination": {"url": {"templatingStrategy": "PEBBLE_V1", "value": "https://example.com"}},
    "httpTemplate": {"httpMethod": "POST", "requestBody": {"templatingStrategy": "PEBBLE_V1", "value": "{}"}},
}


@pytest.fixture
async def destination(platform):
    """The id of a destination with a client secret."""
    server = (await platform.made(f"{BASE}/destination-servers", SERVER))["instanceId"]
    oauth = {
        "authType": "OAUTH2",
        "grant": "OAUTH2_CLIENT_CREDENTIALS",
        "accessTokenUrl": "https://example.com/token",
        "clientId": "adobe",
        "clientSecret": "a-secret",
    }
    body = {
        "name": "One",
        "status": "TEST",
        "customerAuthenticationConfigurations": [oauth],
        "identityNamespaces": {"external_id": {}},
        "destinationDelivery": [{"destinationServerId": server}],
    }
    return (await platform.made(f"{BASE}/destinations", body))["instanceId"]


async def test_a_read_gives_the_object_or_a_list_of_it(adobe, platform, destination):
    """One destination by its id."""
    path = f"{BASE}/destinations/{destination}"
    assert (await platform.call("GET", path)).json()["instanceId"] == destination
    adobe.control(platform={"oddities": {"authoring_read": "items"}})
    assert (await platform.call("GET", path)).json()["items"][0]["instanceId"] == destination


async def test_secrets_are_shown_or_masked(adobe, platform, destination):
    """The client secret; what is stored stays."""
    path = f"{BASE}/destinations/{destination}"
    assert "a-secret" in (await platform.call("GET", path)).text
    adobe.control(platform={"oddities": {"authoring_secrets": "masked"}})
    assert "a-secret" not in (await platform.call("GET", path)).text
    assert "a-secret" in str(adobe.platform.sandboxes["prod"].authored["destinations"][destination])


async def test_quotation_marks_are_escaped_or_left(adobe, platform, destination):
    """What a template prints."""
    sent = {"destinationId": destination, "template": "{{ input.profile.x }}", "profiles": [{"x": '"<'}]}
    render = f"{BASE}/testing/template/render"
    assert (await platform.call("POST", render, sent)).json()["results"][0]["output"] == "&quot;&lt;"
    adobe.control(platform={"oddities": {"template_escaping": "text"}})
    assert (await platform.call("POST", render, sent)).json()["results"][0]["output"] == '"&lt;'
