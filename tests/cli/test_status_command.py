"""``aep-bridge status`` asks the process it names, and says in words what else it meets."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import orjson
import pytest
from json_output import json_of
from prometheus_client import generate_latest
from typer.testing import CliRunner

from bridge.cli.main import app
from bridge.cli.status import _RETRIES, _show
from bridge.cli.status_report import _samples, report
from bridge.model.errors import BridgeError
from bridge.telemetry.metrics import Metrics

pytestmark = pytest.mark.clock


@pytest.fixture
def served():
    """Starts servers that give fixed answers by path; all end with the test."""
    servers = []

    def start(ready, metrics=b""):
        class Answers(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(503 if self.path == "/health/ready" else 200)
                self.end_headers()
                self.wfile.write(ready if self.path == "/health/ready" else metrics)

            def log_message(self, *_arguments):
                """Nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def _status(url, **env):
    return CliRunner().invoke(app, ["status", "--seconds", "0", "--url", url], env=env)


def test_a_reason_in_brackets_stays_as_it_is_and_no_proxy_is_asked(served) -> None:
    """Words of AEP are no markup; a proxy in the environment is for the way out, not for this machine."""
    url = served(orjson.dumps({"reasons": {"credentials": "AEP [/said] no"}}), generate_latest(Metrics().registry))
    done = _status(url, HTTP_PROXY="http://127.0.0.1:1", http_proxy="http://127.0.0.1:1", NO_PROXY="", no_proxy="")
    assert done.exit_code == 1
    assert "credentials: AEP [/said] no" in done.output


def test_a_receiver_shows_its_own_figures(served) -> None:
    """Events and answers by status; lag, circuit and age are a worker's, and their zeros would say what is not so."""
    metrics = Metrics()
    metrics.received_events.inc(98)
    metrics.receiver_requests.labels("200").inc(3)
    metrics.receiver_requests.labels("401")
    url = served(b"{}", generate_latest(metrics.registry))
    shown = _status(url).output
    assert "received in total" in shown
    assert "98" in shown
    assert "requests answered 200" in shown
    assert not any(word in shown for word in ("401", "lag", "circuit", "old"))
    told = CliRunner().invoke(app, ["status", "--seconds", "0", "--json", "--url", url])
    assert json_of(told, exit_code=1)["requests"] == {"200": 3, "401": 0}


def test_a_worker_shows_its_lag(served) -> None:
    """What a receiver has not, and not what it has."""
    metrics = Metrics()
    metrics.kafka_lag.labels("moengage.events", "0").set(7)
    shown = _status(served(b"{}", generate_latest(metrics.registry))).output
    assert "7 records in 1 partitions" in shown
    assert "received" not in shown


@pytest.mark.parametrize("ready", [b"[]", b"{}", b"<html>"])
def test_another_server_is_not_taken_for_a_bridge(served, ready) -> None:
    """Something answers, but it is no telemetry of ours: an error in words, not a report of zeros."""
    done = _status(served(ready))
    assert isinstance(done.exception, BridgeError)
    assert "no bridge answers" in str(done.exception)


@pytest.mark.parametrize("url", ["http://:::9464", "http://[1", "foo", "127.0.0.1:9464"])
def test_what_is_no_url_is_said_in_words(url) -> None:
    """A mistyped address is the caller's mistake and no traceback; where the scheme is missing, that is said."""
    error = _status(url).exception
    assert isinstance(error, BridgeError)
    assert url.startswith("http") or error.hint == "--url wants http://HOST:PORT"


_DESTINATION = {"host": "dcs.adobedc.net", "good": True, "answer": "accepted", "since": 1_000.0, "next_try": ""}
_MAPPING = {"name": "acme.csv", "sha256": "fa13f088" * 8, "since": 1_000.0, "refused_at": None, "refused_why": ""}


def _worker(**told):
    known = {"joined": True, "partitions": 1, "lag_known": True, "destination": _DESTINATION, "mapping": _MAPPING}
    return {"role": "worker", **known, **told}


def _report(processes, metrics=None, ready=True):
    """The report for what these processes tell."""
    samples = _samples(generate_latest((metrics or Metrics()).registry).decode())
    return report(ready=ready, reasons={}, processes=processes, first=samples, last=samples, passed=None)


def _shown(made, capsys):
    _show(made)
    return capsys.readouterr().out


def test_a_worker_outside_its_group_knows_no_lag(capsys) -> None:
    """After a crash the group takes its time: unknown, and not 0 records that are 0 seconds old."""
    metrics = Metrics()
    metrics.event_age_seconds.set(float("nan"))
    made = _report({"": _worker(joined=False, lag_known=False)}, metrics, ready=False)
    assert (made["lag"], made["lag_known"], made["event_age_seconds"], made["oldest_open_seconds"]) == (
        {},
        False,
        None,
        {},
    )
    shown = _shown(made, capsys)
    assert "worker: not ready" in shown
    assert "unknown: not in the consumer group yet" in shown
    assert "0 records" not in shown
    assert not re.search(r"oldest that waits\s*│ (nothing|0)", shown)


def test_brokers_that_fell_silent_leave_the_lag_unknown_and_the_age_of_what_is_held(capsys) -> None:
    """What was fetched still waits and its age is known; what more lies in Kafka is not."""
    metrics = Metrics()
    metrics.oldest_open_seconds.labels("3").set(95.0)
    shown = _shown(_report({"": _worker(lag_known=False)}, metrics), capsys)
    assert "unknown: no answer of the brokers" in shown
    assert "95.0 s (partition 3)" in shown


def test_the_age_is_that_of_the_oldest_that_waits(capsys) -> None:
    """Of all partitions and processes the largest; without any that waits, words instead of a number."""
    metrics = Metrics()
    metrics.kafka_lag.labels("t", "0").set(3)
    metrics.oldest_open_seconds.labels("0").set(4.04)
    metrics.oldest_open_seconds.labels("1").set(0)
    metrics.event_age_seconds.set(3_600)
    assert "4.0 s (partition 0)" in _shown(_report({"": _worker()}, metrics), capsys)
    metrics.oldest_open_seconds.labels("0").set(7_300)
    assert "2.0 h (partition 0)" in _shown(_report({"": _worker()}, metrics), capsys)
    metrics.oldest_open_seconds.labels("0").set(0)
    assert "nothing waits" in _shown(_report({"": _worker()}, metrics), capsys)


def test_the_last_answer_of_aep_is_shown_with_its_time(capsys) -> None:
    """What it said, since when, and when it is asked again; before the first request that it has not been asked."""
    away = _DESTINATION | {"good": False, "answer": "AEP answered 503", "next_try": "next try in 2 s"}
    shown = " ".join(_shown(_report({"": _worker(destination=away)}), capsys).split())
    assert "AEP answered 503, since 1970-01-01 00:16:40 UTC" in shown
    assert "next try in 2 s" in shown
    unasked = _DESTINATION | {"good": None, "since": None}
    assert "dcs.adobedc.net has not been asked yet" in _shown(_report({"": _worker(destination=unasked)}), capsys)


def test_the_mapping_in_use_and_its_last_refused_change_are_shown(capsys) -> None:
    """Name, short digest, since when; why the last change was not taken. Two processes may be a moment apart."""
    refused = _MAPPING | {"refused_at": 2_000.0, "refused_why": "golden cases that fail: booking"}
    newer = _MAPPING | {"sha256": "ab" * 32, "since": 3_000.0}
    made = _report({"0": _worker(mapping=refused), "1": _worker(mapping=newer), "2": _worker(mapping=refused)})
    assert [each["sha256"][:4] for each in made["mappings"]] == ["fa13", "abab"]
    shown = " ".join(_shown(made, capsys).replace("│", " ").split())
    assert "acme.csv fa13f088, since 1970-01-01 00:16:40 UTC" in shown
    assert "1970-01-01 00:33:20 UTC: golden cases that fail: booking" in shown


def test_of_several_processes_the_worst_is_told() -> None:
    """One that cannot deliver is not hidden by three that can, nor one outside the group; one that does not answer is left out."""
    away = _DESTINATION | {"good": False, "answer": "AEP answered 503", "since": 5_000.0}
    longer = away | {"since": 4_000.0}
    told = {"0": _worker(), "1": _worker(destination=away), "2": _worker(destination=longer), "3": None}
    made = _report(told | {"4": _worker(joined=False, lag_known=False)})
    assert made["destination"] == longer
    assert (made["joined"], made["lag_known"]) == (False, False)


def test_retries_have_words(capsys) -> None:
    """503 is not called throttled, and no name of a metric's label stands for itself."""
    metrics = Metrics()
    for reason in ("throttled", "transient", "item", "held", "mismatched", "suspect"):
        metrics.retries.labels(reason).inc()
    shown = _shown(_report({"": _worker()}, metrics), capsys)
    assert "sent again, throttled (429)" in shown
    assert "sent again, failed as a whole" in shown
    assert not re.search(r"sent again, (transient|item|held|mismatched|suspect)\b", shown)


def test_every_retry_reason_has_words() -> None:
    """Whatever delivery counts is in the table of words."""
    source = (Path(__file__).resolve().parents[2] / "bridge/delivery/settlement.py").read_text(encoding="utf-8")
    counted = set(re.findall(r'"(\w+)"', " ".join(re.findall(r"labels\(.*\)\.inc", source))))
    assert counted
    assert counted == set(_RETRIES)


def test_the_receivers_own_port_is_told_from_its_telemetry() -> None:
    """Where MoEngage posts, there is no telemetry: said in words with the setting."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(404)
            self.end_headers()
            self.wfile.write(b'{"status":"error","reason":"MoEngage Streams posts events to /moengage/streams"}')

        def log_message(self, *_arguments):
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    error = _status(f"http://127.0.0.1:{server.server_port}").exception
    server.shutdown()
    server.server_close()
    assert isinstance(error, BridgeError)
    assert "where a receiver takes MoEngage's events" in str(error)
    assert "BRIDGE_TELEMETRY__PORT" in error.hint


def test_nobody_there_is_said_in_words() -> None:
    """A closed port: nothing listens, rather than the name of an exception."""
    error = _status("http://127.0.0.1:1").exception
    assert isinstance(error, BridgeError)
    assert str(error) == "no bridge answers at http://127.0.0.1:1: nothing listens there"
