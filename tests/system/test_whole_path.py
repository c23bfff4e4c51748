"""The whole path on a real Kafka: receiver, topic, worker, emulator, each as it really runs."""

import json
import os
from datetime import datetime
from pathlib import Path

import orjson
import pytest
from checkout import ROOT

from bridge.routes.event_builder import load_builder
from bridge.settings import Settings
from bridge.sources.moengage.envelopes import events_of
from bridge.testing.commands import run_command
from bridge.testing.kafka.node_properties import PASSWORD, USERNAME
from bridge.testing.numbered_events import batch, event, uuid_of
from bridge.testing.processes import eventually, get
from bridge.testing.rig import Rig

pytestmark = pytest.mark.kafka
DATA = ROOT / "tests" / "data" / "samples"


@pytest.fixture
def rig(kafka, topic, tmp_path):
    """Topics, an emulator and the processes of one test."""
    with Rig(kafka, topic, tmp_path) as rig:
        yield rig


def test_every_sample_arrives_or_is_explained(rig):
    """Each line of the samples, in whatever envelope, is answered 200, and each of its events is in AEP or a dead letter."""
    receiver, worker = rig.receiver(), rig.worker()
    lines = [json.loads(line) for line in (DATA / "moengage-events.jsonl").read_text(encoding="utf-8").splitlines()]
    seed = json.loads((DATA / "seed-event.json").read_text(encoding="utf-8"))
    for document in [*lines, seed]:
        answer = rig.post(document)
        assert answer.status_code == 200, answer.text
    rig.wait_drained()
    account = rig.account()
    builder, sha256 = load_builder(Settings())
    sent = [found for document in [*lines, seed] for found in events_of(document)]
    refused = {found["event_uuid"]: rejection for found in sent if (rejection := builder.build(found).rejection)}
    assert {letter.event_uuid for letter in account.letters} == set(refused)
    for letter in account.letters:
        assert letter.headers["bridge.code"] == refused[letter.event_uuid].code
        assert letter.headers["bridge.stage"] == str(refused[letter.event_uuid].stage)
        assert letter.headers["bridge.mapping"] == sha256
        assert letter.headers["bridge.topic"] == rig.topic
        assert datetime.fromisoformat(letter.headers["bridge.failed_at"]).tzinfo is not None
    expected = json.loads((DATA / "seed-event.expected.json").read_text(encoding="utf-8"))
    assert rig.emulator.payload(seed["id"]) == expected
    assert receiver.metric("bridge_received_events_total") == len(sent)
    eventually(
        lambda: (
            worker.metric("bridge_delivered_events_total") + worker.metric("bridge_dead_letters_total") == len(sent)
        ),
        within=20,
        what="delivered + dead letters = received, in the metrics too",
    )


def test_wrong_credentials_are_turned_away_and_nothing_of_it_arrives(rig):
    """401 without and with wrong credentials; the event reaches neither Kafka nor the dead letters."""
    rig.receiver()
    assert rig.post(batch([event(1)]), credentials=None).status_code == 401
    assert rig.post(batch([event(1)]), credentials=("moengage", "wrong")).status_code == 401
    assert rig.lag() == 0
    assert rig.letters() == []


def test_poison_is_set_aside_and_replayed_after_the_fix(rig, tmp_path):
    """Bodies and events that cannot pass become dead letters with their reasons; neighbours pass; fixed, they are replayed."""
    mapping = tmp_path / "mapping.csv"
    shipped = (ROOT / "mappings/moengage_events.csv").read_text(encoding="utf-8")
    mapping.write_text(shipped, encoding="utf-8")
    rig.extra["BRIDGE_MAPPING__PATH"] = str(mapping)
    rig.extra["BRIDGE_MAPPING__PRIMARY_IDENTITY"] = "lumaCrmId"
    rig.receiver()
    worker = rig.worker()
    assert rig.post(b'{"events": [{"event_name": "Email Se').status_code == 200
    nameless = event(1, uid=None)
    timeless = event(2, event_time=None)
    assert rig.post(batch([event(0), nameless, event(3), timeless, event(4)])).status_code == 200
    rig.produce_raw(b"\xff\xfe not even text", b"[1, 2, 3]")
    rig.wait_drained()
    letters = eventually(lambda: len(found := rig.letters()) == 5 and found, within=20, what="five dead letters")
    stages = sorted(letter.headers["bridge.stage"] for letter in letters)
    assert stages.count("receive") == 1
    assert stages.count("decode") == 2
    assert all(letter.headers["bridge.reason"] and letter.headers["bridge.code"] for letter in letters)
    assert {letter.event_uuid for letter in letters if letter.event_uuid} == {uuid_of(1), uuid_of(2)}
    assert set(rig.emulator.accepted()) == {uuid_of(0), uuid_of(3), uuid_of(4)}
    assert worker.metric("bridge_dead_letters_total") == 4
    # The fix: whoever has no customer id is known by e-mail address.
    assert worker.stop(grace=20) == 0
    rig.extra["BRIDGE_MAPPING__PRIMARY_IDENTITY"] = "lumaCrmId,Email"
    rig.worker("fixed")
    told = _run(rig, "deadletters", "replay", "--dry-run")
    assert rig.lag() == 0, "a dry run replays nothing"
    assert told.returncode == 0, told.stderr
    assert _run(rig, "deadletters", "replay").returncode == 0
    eventually(lambda: uuid_of(1) in rig.emulator.accepted(), within=20, what="the replayed event is in AEP")
    rig.wait_drained()
    account = rig.account()
    assert uuid_of(2) in account.dead
    assert uuid_of(2) not in account.accepted
    assert account.duplicates == 0


def _run(rig, *arguments):
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("BRIDGE_")}
    environment = inherited | {"PYTHONPATH": str(ROOT)} | rig.settings
    return run_command(*arguments, env=environment, cwd=rig.directory, timeout=60)


def test_an_outage_makes_lag_and_loses_nothing(rig):
    """AEP answers 503 for a while: lag rises and is seen, nothing is dead-lettered; AEP back: it drains to zero."""
    rig.receiver()
    worker = rig.worker()
    rig.post_numbers(range(300))
    rig.wait_drained()
    rig.emulator.control(fail={"status": 503})
    rig.post_numbers(range(300, 2_300))
    eventually(lambda: rig.lag() == 2_000, within=10, what="what cannot be delivered is lag")
    eventually(lambda: worker.metric("bridge_kafka_lag") == 2_000, within=15, what="the metric shows the lag")
    eventually(lambda: worker.metric("bridge_circuit_open") == 1, within=15, what="the circuit is open")
    assert get(worker.url + "/health/live")[0] == 200
    rig.emulator.control(clear_faults=True)
    rig.wait_drained()
    account = rig.account()
    assert len(account.accepted) == 2_300
    assert account.letters == []
    eventually(lambda: worker.metric("bridge_kafka_lag") == 0, within=15, what="the metric shows no lag")
    eventually(lambda: worker.metric("bridge_circuit_open") == 0, within=15, what="the circuit is closed")


def test_items_that_aep_refuses_become_dead_letters_alone(rig):
    """A 207 that refuses some events, in either shape: those and no others are dead letters with AEP's words."""
    rig.receiver()
    rig.worker()
    refused = {uuid_of(number) for number in (3, 77, 150)}
    for shape, numbers in (("documented", range(100)), ("current", range(100, 200))):
        rig.emulator.control(item_failures={"ids": sorted(refused), "shape": shape, "message": "Message is unwelcome"})
        rig.post_numbers(numbers)
        rig.wait_drained()
    account = rig.account()
    assert account.dead == refused
    assert set(account.accepted) == {uuid_of(number) for number in range(200)} - refused
    for letter in account.letters:
        assert letter.headers["bridge.stage"] == "deliver"
        assert "Message is unwelcome" in letter.headers["bridge.reason"]
        (found,) = events_of(orjson.loads(letter.value))
        assert found["event_uuid"] == letter.event_uuid


def test_tokens_that_expire_and_are_revoked_while_events_flow(rig):
    """Short-lived tokens are renewed ahead of time, a revoked one is replaced at once: no event is lost or set aside."""
    rig.emulator.control(token_ttl=3)
    rig.receiver()
    worker = rig.worker()
    sent = 0

    def send_until_token(number: int) -> bool:
        nonlocal sent
        rig.post_numbers(range(sent, sent + 100))
        sent += 100
        return rig.emulator.received()["token_requests"].get("200", 0) >= number

    eventually(lambda: send_until_token(2), within=20, what="a token is renewed")
    rig.emulator.control(revoke_tokens=True)
    eventually(lambda: send_until_token(4), within=20, what="a revoked token is replaced, and renewed again")
    rig.wait_drained()
    account = rig.account()
    assert len(account.accepted) == sent
    assert account.letters == []
    eventually(
        lambda: worker.metric('bridge_token_refreshes_total{result="ok"}') >= 4,
        within=15,
        what="the metric has the last token too, which may have been on its way",
    )


def test_refused_credentials_hold_and_go_on_by_themselves(rig):
    """IMS says no: nothing is dropped or dead-lettered, readiness names it; a good secret again: delivery goes on."""
    rig.receiver()
    rig.emulator.control(secrets=["another-secret"], revoke_tokens=True)
    worker = rig.run("worker")
    eventually(lambda: get(worker.url + "/health/live")[0] == 200, within=30, what="the worker lives")
    rig.post_numbers(range(200))
    eventually(lambda: worker.metric("bridge_delivery_held") == 1, within=20, what="delivery is held")
    assert get(worker.url + "/health/ready")[0] == 503
    assert rig.letters() == []
    rig.emulator.control(secrets=["emulated-secret"])
    rig.wait_drained(90)
    assert len(rig.account().accepted) == 200
    eventually(lambda: get(worker.url + "/health/ready")[0] == 200, within=20, what="ready again")


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_over_sasl(kafka_broker, topic, tmp_path, mechanism):
    """Receiver (producer) and worker (consumer) both reach a broker that asks for a password."""
    sasl = {
        "BRIDGE_KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "BRIDGE_KAFKA__SASL_MECHANISM": mechanism,
        "BRIDGE_KAFKA__SASL_USERNAME": USERNAME,
        "BRIDGE_KAFKA__SASL_PASSWORD": PASSWORD,
        "BRIDGE_KAFKA__BOOTSTRAP_SERVERS": kafka_broker.sasl_bootstrap,
    }
    with Rig(kafka_broker.bootstrap, topic, tmp_path, **sasl) as rig:
        rig.receiver()
        rig.worker()
        rig.post_numbers(range(100))
        rig.wait_drained()
        assert len(rig.account().accepted) == 100


def test_over_mutual_tls(kafka_broker, topic, tmp_path):
    """Receiver and worker speak TLS with a client certificate."""
    made = kafka_broker.certificates
    tls = {
        "BRIDGE_KAFKA__SECURITY_PROTOCOL": "SSL",
        "BRIDGE_KAFKA__SSL_CAFILE": str(made.ca),
        "BRIDGE_KAFKA__SSL_CERTFILE": str(made.client_certificate),
        "BRIDGE_KAFKA__SSL_KEYFILE": str(made.client_key),
        "BRIDGE_KAFKA__BOOTSTRAP_SERVERS": kafka_broker.ssl_bootstrap,
    }
    with Rig(kafka_broker.bootstrap, topic, tmp_path, **tls) as rig:
        rig.receiver()
        rig.worker()
        rig.post_numbers(range(100))
        rig.wait_drained()
        assert len(rig.account().accepted) == 100


def test_logs_hold_no_payload_and_no_secret(rig):
    """What receiver and worker write while events pass, fail and are refused names neither addresses nor secrets."""
    receiver, worker = rig.receiver(), rig.worker()
    rig.emulator.control(item_failures={"every": 5}, revoke_tokens=True)
    rig.post_numbers(range(50))
    rig.post(b'{"email_id": "user9@example.com", "events": [')
    rig.wait_drained()
    for process in (receiver, worker):
        process.stop()
        written = Path(process.log).read_text(encoding="utf-8")
        assert written
        for secret in ("@example.com", "emulated-secret", "a-password", "Northwind", "crm-"):
            assert secret not in written, process.name
