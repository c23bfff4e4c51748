"""A route from Adobe to MoEngage: its paths, its mapping set, and how the receiver answers its senders."""

import base64
import gzip

import httpx
import orjson
import pytest
from memory_store import MemoryStore

from bridge.model.errors import SettingsError
from bridge.routes.kinds import open_decoder, source_of
from bridge.routes.receiving import own_path, paths, posting_of
from bridge.settings import load_deployment
from bridge.sources.adobe.refusing import ANONYMOUS_ONLY
from bridge.sources.http.endpoint import Receiver
from bridge.sources.http.listener import Listener
from bridge.telemetry.metrics import Metrics

TOML = """
[routes.crm]
source = "adobe"
destination = "moengage"
[routes.crm.moengage]
workspace_id = "W1"
api_key = "key-of-a-test"
data_center = 1
[routes.crm.adobe]
customer_id_namespace = "crmId"
[receiver]
host = "127.0.0.1"
port = 0
[routes.crm.receiver]
"""
BEARER = 'auth = "header"\nheader_name = "Authorization"\nheader_value = "Bearer long-random-text"\n'
STATIC = 'auth = "header"\nheader_name = "X-Bridge-Key"\nheader_value = "long-random-text"\n'
BASIC = 'auth = "basic"\nusername = "adobe"\npassword = "pass-of-a-test"\n'
OAUTH = 'auth = "oauth"\nclient_id = "adobe"\nclient_secret = "secret-of-a-test"\n'
PAIR = "Basic " + base64.b64encode(b"adobe:pass-of-a-test").decode()


def profile(customer, **more):
    """A raw profile of the HTTP API destination."""
    return {"identityMap": {"crmId": [{"id": customer}]}, "person": {"gender": "female"}, **more}


@pytest.fixture
def route(tmp_path, monkeypatch, request):
    """The route of the settings above, with the credentials of the test's parameter."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bridge.toml").write_text(TOML + getattr(request, "param", BEARER), encoding="utf-8")
    (only,) = load_deployment().routes
    return only


class Posting:
    """A receiver of a route over a store in memory, and a client."""

    def __init__(self, route):
        self.store, self.metrics = MemoryStore(), Metrics("crm")
        self._route = route

    async def __aenter__(self):
        how = posting_of(self._route)
        settings = self._route.settings.receiver
        receiver = Receiver(settings, self.store, self.metrics, how, open_decoder(self._route), path="/adobe")
        self._listener = Listener(settings, receiver)
        await self._listener.__aenter__()
        address = f"http://127.0.0.1:{self._listener.port}"
        self.client = httpx.AsyncClient(base_url=address, trust_env=False)
        return self

    async def __aexit__(self, *_):
        await self.client.aclose()
        await self._listener.__aexit__()

    async def post(self, body, **headers):
        """Post bytes, or a document as JSON."""
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        return await self.client.post("/adobe", content=content, headers=headers)

    def count(self, name, **labels):
        """The value of a metric."""
        return self.metrics.registry.get_sample_value(name, labels) or 0


def test_it_has_the_shipped_set_its_path_and_folding(route):
    """The only route of its source, too, has its name in the path; its events are states of customers."""
    assert route.settings.mapping.path.name == "adobe_profiles.csv"
    assert paths([route]) == {"/adobe/crm": "crm"}
    assert own_path(route, paths([route])) == "/adobe/crm"
    assert source_of(route).profiles


@pytest.mark.parametrize(
    ("route", "headers"),
    [
        (BEARER, {"Authorization": "Bearer long-random-text"}),
        (STATIC, {"X-Bridge-Key": "long-random-text"}),
        (BASIC, {"Authorization": PAIR}),
    ],
    indirect=["route"],
)
async def test_every_way_in_which_adobe_can_authenticate(route, headers):
    """Bearer token, a header of its own, Basic: 200 with them, 401 and counted without."""
    async with Posting(route) as posting:
        assert (await posting.post(profile("C-1"), **headers)).json() == {
            "status": "ok",
            "events": 1,
            "dead_letters": 0,
        }
        for wrong in ({}, {name: value + "x" for name, value in headers.items()}):
            assert (await posting.post(profile("C-2"), **wrong)).status_code == 401
        assert posting.count("bridge_receiver_requests_total", status="401") == 2
        assert [record[0] for record in posting.store.events] == [b"C-1"]


@pytest.mark.parametrize("route", [OAUTH], indirect=True)
async def test_client_credentials(route):
    """Adobe fetches a token at the path with /token, in the form or with a Basic header, and sends it as Bearer."""
    async with Posting(route) as posting:
        form = {"grant_type": "client_credentials", "client_id": "adobe", "client_secret": "secret-of-a-test"}
        token = (await posting.client.post("/adobe/token", data=form)).json()["access_token"]
        assert (await posting.post(profile("C-1"), Authorization=f"Bearer {token}")).status_code == 200
        assert (await posting.post(profile("C-1"), Authorization="Bearer other")).status_code == 401
        wrong = await posting.client.post("/adobe/token", data={**form, "client_secret": "other"})
        assert wrong.status_code == 401
        by_header = await posting.client.post(
            "/adobe/token", data={"grant_type": "client_credentials"}, auth=("adobe", "secret-of-a-test")
        )
        assert by_header.json()["token_type"] == "Bearer"


AUTH = {"Authorization": "Bearer long-random-text"}


@pytest.mark.parametrize(
    ("body", "events", "letters"),
    [
        (profile("C-1"), 1, 0),
        ([profile("C-1"), profile("C-2")], 2, 0),
        ({"profiles": [profile("C-1"), profile("C-2")]}, 2, 0),
        (orjson.dumps(profile("C-1")) + b"\n" + orjson.dumps(profile("C-2")) + b"\n", 2, 0),
        (gzip.compress(orjson.dumps(profile("C-1")), mtime=0), 1, 0),
        ([], 0, 0),
        ({"profiles": []}, 0, 0),
        (b"{", 0, 1),
        (b"", 0, 1),
        ([profile("C-1"), {"identityMap": {"ECID": [{"id": "1"}]}}, 7], 1, 2),
    ],
)
async def test_answers(route, body, events, letters):
    """200 for whatever is stored: profiles in each envelope, nothing for an empty one, dead letters for what cannot be read."""
    async with Posting(route) as posting:
        answer = await posting.post(body, **AUTH)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok", "events": events, "dead_letters": letters})
        assert (len(posting.store.events), len(posting.store.dead_letters)) == (events, letters)


async def test_trouble_of_ours_is_503_within_two_seconds(route):
    """Kafka refuses, or does not answer: 503 with Retry-After, in the time for which Adobe waits."""
    async with Posting(route) as posting:
        posting.store.failing = True
        answer = await posting.post(profile("C-1"), **AUTH)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
        posting.store.failing = False
        posting.store.gate.clear()
        answer = await posting.post(profile("C-1"), **AUTH)
        assert answer.status_code == 503
        assert answer.elapsed.total_seconds() < 2
        posting.store.gate.set()


async def test_what_rules_leave_out_is_counted(route):
    """Unmapped audiences alone, and what a test call of Adobe's made up."""
    unmapped = {"segmentMembership": {"ups": {"a": {"status": "realized"}}}, "identityMap": {"crmId": [{"id": "C-1"}]}}
    made_up = {"identityMap": {"crmId": [{"id": "crmId-h29Fq"}]}, "person": {"gender": "string"}}
    async with Posting(route) as posting:
        assert (await posting.post([unmapped, made_up], **AUTH)).json()["events"] == 0
        for rule in ("audience", "test_profile"):
            assert posting.count("bridge_left_out_events_total", rule=rule) == 1
        assert not posting.store.dead_letters


async def test_a_rehearsal_stores_nothing(route):
    """What would become of a body is answered, counted and told; another value, or none, is no rehearsal."""
    async with Posting(route) as posting:
        body = orjson.dumps([profile("C-1"), {"person": {}, "identityMap": {"ECID": [{"id": "1"}]}}])
        told = await posting.client.post("/adobe?dry_run=true", content=body, headers=AUTH)
        assert told.json() == {
            "status": "ok",
            "dry_run": True,
            "events": 1,
            "dead_letters": [{"code": ANONYMOUS_ONLY.code, "reason": ANONYMOUS_ONLY.reason}],
            "left_out": {},
        }
        assert not posting.store.calls
        assert posting.count("bridge_left_out_events_total", rule="dry_run") == 1
        assert (await posting.client.post("/adobe?dry_run=true", content=body)).status_code == 401
        for query in ("", "?dry_run=false", "?dry_run=0"):
            told = await posting.client.post(f"/adobe{query}", content=body, headers=AUTH)
            assert told.json() == {"status": "ok", "events": 1, "dead_letters": 1}
        assert len(posting.store.events) == 3


@pytest.mark.parametrize("namespace", ["ECID", "anonymous_id", " "])
def test_an_anonymous_namespace_is_refused(tmp_path, monkeypatch, namespace):
    """Settings with which every browser would become a user do not start, and the message names the setting of the route."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bridge.toml").write_text((TOML + BEARER).replace("crmId", namespace), encoding="utf-8")
    with pytest.raises(SettingsError, match="BRIDGE_ROUTES__CRM__ADOBE__CUSTOMER_ID_NAMESPACE"):
        load_deployment()
