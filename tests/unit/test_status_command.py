"""``aep-bridge status`` asks the process it names, and says in words what else it meets."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
import pytest
from prometheus_client import generate_latest
from typer.testing import CliRunner

from bridge.cli import app
from bridge.errors import BridgeError
from bridge.telemetry.metrics import Metrics


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
    assert orjson.loads(told.stdout)["requests"] == {"200": 3, "401": 0}


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
