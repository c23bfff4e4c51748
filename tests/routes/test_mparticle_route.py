"""A route from mParticle to MoEngage: its paths, its mapping set, and how the receiver answers its sender."""

import asyncio

import httpx
import orjson
import pytest
from memory_store import MemoryStore

from bridge.routes.kinds import open_decoder
from bridge.routes.receiving import own_path, paths, posting_of
from bridge.settings import load_deployment
from bridge.sources.http.endpoint import Receiver
from bridge.sources.http.listener import Listener
from bridge.telemetry.metrics import Metrics

TOML = """
[routes.shop]
source = "mparticle"
destination = "moengage"
[routes.shop.moengage]
workspace_id = "W1"
api_key = "key-of-a-test"
data_center = 1
[routes.shop.mparticle]
consent_purposes = ["marketing"]
[routes.shop.receiver]
auth = "basic"
username = "mparticle"
password = "pass-of-a-test"
[receiver]
host = "127.0.0.1"
port = 0
requests_per_second = 2
"""
AGREED = {"gdpr": {"marketing": {"consented": True}}}
BATCH = {
    "user_identities": {"customerid": "C-1"},
    "user_attributes": {"tier": "gold"},
    "events": [{"event_type": "custom_event", "data": {"event_name": "A b"}}],
}


@pytest.fixture
def route(tmp_path, monkeypatch):
    """The route of the settings above."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bridge.toml").write_text(TOML, encoding="utf-8")
    (only,) = load_deployment().routes
    return only


def test_it_has_the_shipped_set_and_paths_with_its_name(route):
    """Also the only route of its source has its name in the path; clients of the Events API append theirs."""
    assert route.settings.mapping.path.name == "mparticle_events.csv"
    below = ("", "/events", "/bulkevents", "/bulkevents/historical")
    assert paths([route]) == {f"/mparticle/shop{more}": "shop" for more in below}
    assert own_path(route, paths([route])) == "/mparticle/shop"


async def test_the_receiver_answers_as_mparticle_needs(route):
    """200 for what is stored or left out, with a count of it; 503 and never 429 above the rate, which the webhook would not repeat."""
    store, metrics = MemoryStore(), Metrics("shop")
    receiver = Receiver(
        route.settings.receiver, store, metrics, posting_of(route), open_decoder(route), path="/mparticle", named=True
    )
    credentials = ("mparticle", "pass-of-a-test")
    async with (
        Listener(route.settings.receiver, receiver) as listener,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.port}", trust_env=False, auth=credentials) as client,
    ):
        answer = await client.post("/mparticle", content=orjson.dumps({**BATCH, "consent_state": AGREED}))
        assert (answer.status_code, answer.json()["events"]) == (200, 2)
        answer = await client.post("/mparticle", content=orjson.dumps([BATCH, {}]))
        assert (answer.status_code, answer.json()["events"]) == (200, 0)
        assert metrics.registry.get_sample_value("bridge_left_out_events_total", {"rule": "consent_gdpr"}) == 2
        answers = await asyncio.gather(*(client.post("/mparticle", content=b"[]") for _ in range(20)))
        assert {each.status_code for each in answers} <= {200, 503}
        assert [each for each in answers if each.status_code == 503 and "Retry-After" in each.headers]
