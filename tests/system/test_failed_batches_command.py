"""``failed-batches``: an emulated AEP refuses events after its 200, and they come back as dead letters in a real Kafka."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import httpx
import orjson
import pytest
from confluent_kafka import Producer
from json_output import json_of
from setting_up import TENANT, append, applied, write_credentials
from typer.testing import CliRunner

from bridge.adobe import data_access
from bridge.adobe.reconciliation.failed_batch import FailedBatch
from bridge.adobe.reconciliation.refused_record import read_record
from bridge.adobe.refusals import Unreachable
from bridge.cli.main import app
from bridge.destinations.aep.envelope import xdm_envelope
from bridge.emulators.adobe import Emulator
from bridge.emulators.adobe.platform.sandbox import Times
from bridge.model.dead_letter import DeadLetter
from bridge.routes.ingest_letter import letter_of
from bridge.settings import load_deployment, load_settings
from bridge.sources.moengage.decoder import DECODER
from bridge.testing.kafka.stored_records import stored

pytestmark = pytest.mark.kafka


@pytest.fixture
async def adobe(tmp_path, monkeypatch):
    """An emulated organisation that is set up; its batches are closed by hand."""
    monkeypatch.chdir(tmp_path)
    async with Emulator(tenant=TENANT, times=Times(warm_up=0)) as emulator:
        write_credentials(tmp_path, emulator)
        await applied()
        yield emulator


async def ingest(adobe, *identifiers, good=()):
    """Send events that AEP takes and refuses later, and ``good`` ones that it keeps; close their batch."""
    aep = load_settings().aep
    envelope = xdm_envelope(
        schema_id=aep.schema_id,
        org_id=aep.org_id,
        dataset_id=aep.dataset_id,
        flow_id=aep.flow_id,
        source_name="test",
        max_request_bytes=1_000_000,
    )
    events = [_event(one, {"not": "text"}) for one in identifiers] + [_event(one, "c") for one in good]
    async with httpx.AsyncClient() as http:
        answer = await http.post(
            aep.endpoint.replace("/collection/", "/collection/batch/"),
            content=envelope.batch([orjson.dumps(event) for event in events]),
            headers={
                "Content-Type": "application/json",
                "Authorization": await _token(http, adobe),
                "x-gw-ims-org-id": aep.org_id,
                "x-sandbox-name": aep.sandbox,
            },
        )
    assert answer.status_code in (200, 207), answer.text
    assert not [one for one in answer.json()["responses"] if "status" in one]
    adobe.control(platform={"settle": True})


def _event(identifier, campaign):
    person = {"Email": [{"id": "a@b.example", "primary": True}]}
    when = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"_id": identifier, "timestamp": when, "identityMap": person, f"_{TENANT}": {"campaignId": campaign}}


async def _token(http, adobe):
    form = {
        "grant_type": "client_credentials",
        "client_id": adobe.client_id,
        "client_secret": adobe.client_secret,
        "scope": "openid,AdobeID",
    }
    return "Bearer " + (await http.post(adobe.token_url, data=form)).json()["access_token"]


async def run(*arguments, exit_code=0):
    """One command, and what it prints as JSON."""
    done = await asyncio.to_thread(CliRunner().invoke, app, ["failed-batches", *arguments, "--json"])
    assert done.exit_code == exit_code, (done.output, done.exception)
    return json_of(done, exit_code=exit_code)


@pytest.mark.parametrize("metrics", ["documented", "lake", "streaming", "none"])
@pytest.mark.parametrize("partial", ["always", "never"])
async def test_list_shows_failed_records_by_code_and_field(adobe, metrics, partial):
    """Whatever Catalog calls its counts, and also of a batch that succeeded in part; Kafka is not needed."""
    adobe.control(platform={"oddities": {"batch_metrics": metrics, "partial_batches": partial}})
    await ingest(adobe, *(f"e{number}" for number in range(6)), good=("g",))
    body = await run("list")
    assert (body["failed_records"], body["missing"]) == (6, 0)
    (batch,) = body["batches"]
    assert batch["status"] == ("success" if partial == "always" else "failed")
    assert batch["reasons"] == [{"code": "DCVS-1104-400", "field": f"_{TENANT}.campaignId", "count": 6}]
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert (await run("list", "--since", later, "--until", "2999-01-01"))["batches"] == []


async def test_fetch_stores_each_once_with_the_event_where_kafka_has_it(adobe, kafka, topic):
    """Every form of failed record; what Kafka still has comes as consumed, the rest as XDM; a second run stores none."""
    events, dead = topic("events", partitions=2), topic("dead", partitions=2)
    append(
        f"BRIDGE_KAFKA__BOOTSTRAP_SERVERS={kafka}\nBRIDGE_KAFKA__TOPIC={events}\nBRIDGE_KAFKA__DEAD_LETTER_TOPIC={dead}\n"
    )
    producer = Producer({"bootstrap.servers": kafka})
    # Too long ago: not looked for.
    old = int((datetime.now(UTC) - timedelta(hours=3)).timestamp() * 1000)
    producer.produce(events, json.dumps({"event_uuid": "gone", "event_code": "X"}).encode(), b"u", timestamp=old)
    sent = {}
    for number in range(6):
        event = {"event_code": "X", "event_uuid": f"e{number}", "event_time": 1731421200, "uid": "u"}
        sent[f"e{number}"] = json.dumps(event).encode()
        producer.produce(events, sent[f"e{number}"], b"u", headers=[("trace", b"t")])
    producer.flush(10)
    await ingest(adobe, *sent, "gone")

    assert (await run("fetch", "--window", "1"))["stored"] == 7
    again = await run("fetch", "--window", "1")
    assert (again["stored"], again["already_stored"]) == (0, 7)

    letters = {}
    for record in stored(kafka, dead):
        letter = DeadLetter.from_headers(record.key, record.value, record.headers)
        letters[letter.event_uuid] = letter
    assert len(letters) == 7
    for name, value in sent.items():
        letter = letters[name]
        assert (letter.stage, letter.code, letter.form) == ("ingest", "DCVS-1104-400", "event")
        assert (letter.key, letter.value, letter.topic) == (b"u", value, events)
        assert f"#/_{TENANT}/campaignId" in letter.reason
    gone = letters["gone"]
    assert (gone.form, gone.topic, json.loads(gone.value)["_id"]) == ("xdm", None, "gone")

    # Refused once more, an event is a new letter, of another batch.
    await ingest(adobe, "e0")
    assert (await run("fetch"))["stored"] == 1

    replayed = await asyncio.to_thread(
        CliRunner().invoke, app, ["deadletters", "replay", "--stage", "ingest", "--dry-run", "--json"]
    )
    told = json_of(replayed)
    assert (told["sent"], told["left"]) == (8, {})


async def test_records_that_aep_counts_and_no_longer_gives_out_are_an_error(adobe, monkeypatch):
    """The files of a batch may be gone before somebody looks: exit 1, and how many."""
    await ingest(adobe, "e1", "e2")

    async def gone(_client, _batch):
        return []

    monkeypatch.setattr("bridge.adobe.reconciliation.refused_record.failed_files", gone)
    assert (await run("list", exit_code=1))["missing"] == 2


async def test_one_batch_that_cannot_be_read_does_not_stand_before_the_others(adobe, kafka, topic, monkeypatch):
    """It is named and makes exit 1; the letters of the others are stored."""
    dead = topic("dead", partitions=1)
    append(
        f"BRIDGE_KAFKA__BOOTSTRAP_SERVERS={kafka}\nBRIDGE_KAFKA__TOPIC={topic()}\nBRIDGE_KAFKA__DEAD_LETTER_TOPIC={dead}\n"
    )
    for name in ("first", "second"):
        await ingest(adobe, name)
    (first, _) = (one["batch"] for one in (await run("list"))["batches"])
    real = data_access.failed_files

    async def files(client, batch):
        if batch == first:
            raise Unreachable("GET …/failed: the answer exceeds 5 bytes")
        return await real(client, batch)

    monkeypatch.setattr("bridge.adobe.reconciliation.refused_record.failed_files", files)
    body = await run("fetch", exit_code=1)
    assert (body["stored"], [one["problem"] is None for one in body["batches"]]) == (1, [False, True])
    assert [DeadLetter.from_headers(one.key, one.value, one.headers).event_uuid for one in stored(kafka, dead)] == [
        "second"
    ]


async def test_a_raw_event_that_came_back_can_be_replayed(adobe):
    """With payload raw the body is the event: its letter has the form event, and the key of its customer."""
    append("BRIDGE_AEP__PAYLOAD=raw\n")
    (route,) = load_deployment().routes
    event = {"event_uuid": "e1", "event_code": "X", "event_time": 1731421200, "uid": "u-1"}
    record = read_record(json.dumps({"header": {}, "body": event, "_errors": [{"code": "DCVS-1104-400"}]}).encode())
    batch = FailedBatch("B1", "failed", 1_000, 2_000, 1, 1)
    letter = letter_of(route, DECODER, batch, record, None).letter
    assert (letter.form, letter.event_uuid, json.loads(letter.value)) == ("event", "e1", event)
    assert letter.key == DECODER.record_key(event)
    assert (letter.batch, letter.failed_at.timestamp()) == ("B1", 2.0)
