"""Several routes in one deployment on a real Kafka: what holds one of them holds no other, and nothing is lost on any."""

from __future__ import annotations

import json

import httpx
import pytest

from bridge.testing.account import account_of, letters_of
from bridge.testing.emulator_process import EmulatorProcess
from bridge.testing.numbered_events import batch, by_id, event
from bridge.testing.processes import BridgeProcess, eventually, free_port, get

pytestmark = pytest.mark.kafka
NAMES = ("eu", "us", "raw", "broken")
_EVENTS = 300


class _Deployment:
    """One receiver and one worker command for four routes, an emulator for each that reaches one, and what was promised by route."""

    def __init__(self, kafka, topic, directory):
        self.kafka = kafka
        self.directory = directory
        self.port = free_port()
        self.secret = directory / "us.secret"
        self.emulators = {
            "eu": EmulatorProcess(directory / "eu"),
            "us": EmulatorProcess(directory / "us"),
            "raw": EmulatorProcess(directory / "raw", BRIDGE_AEP__PAYLOAD="raw"),
        }
        self.topics = {name: topic(f"{name}.events", partitions=2) for name in NAMES}
        self.dead = {name: topic(f"{name}.dead", partitions=1) for name in NAMES}
        self.sent = {name: {} for name in NAMES}
        self.promised = {name: set() for name in NAMES}
        self._processes = list(self.emulators.values())

    def __enter__(self):
        self.secret.write_text("not-the-secret")
        (self.directory / "bridge.toml").write_text(self._toml(), encoding="utf-8")
        for emulator in self.emulators.values():
            emulator.start().wait_up()
        return self

    def __exit__(self, *_):
        for process in reversed(self._processes):
            process.stop(grace=0)
            print(f"---- {process.name}\n{process.tail(60)}")  # noqa: T201 - pytest shows it with a failure

    def _toml(self):
        parts = [
            f"[kafka]\nbootstrap_servers = ['{self.kafka}']\nsession_timeout_seconds = 6\ncommit_interval_seconds = 0.3\n",
            f"[receiver]\nhost = '127.0.0.1'\nport = {self.port}\nauth = 'basic'\n",
            "[telemetry]\nlog_format = 'json'\n[worker]\ndrain_seconds = 5\n",
        ]
        for name in NAMES:
            emulator = self.emulators.get(name, self.emulators["raw"])
            sections = {
                "kafka": {"topic": self.topics[name], "dead_letter_topic": self.dead[name], "group": self.topics[name]},
                "receiver": {"username": name, "password": f"000{name}"},
                "aep": {"linger_seconds": 0.1},
                "oauth": {},
            }
            for variable, value in emulator.settings().items():
                section, key = variable.removeprefix("BRIDGE_").lower().split("__")
                sections[section][key] = value
            if name == "raw":
                sections["aep"]["payload"] = "raw"
            if name == "us":
                del sections["oauth"]["client_secret"]
                sections["oauth"]["client_secret_file"] = str(self.secret)
            if name == "broken":
                sections["mapping"] = {"path": "no-such-file.csv"}
            for section, keys in sections.items():
                lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
                parts.append(f"[routes.{name}.{section}]\n{lines}")
        return "".join(parts)

    def run(self, *arguments):
        """Start ``aep-bridge ARGUMENTS`` in the folder of bridge.toml."""
        process = BridgeProcess(arguments, {}, directory=self.directory)
        self._processes.append(process)
        return process.start()

    def post(self, name, numbers):
        """Post events to a route, as its workspace does; what is answered 200 is promised."""
        document = batch(event(number) for number in numbers)
        answer = httpx.post(
            f"http://127.0.0.1:{self.port}/moengage/streams/{name}",
            json=document,
            auth=(name, f"000{name}"),
            timeout=30,
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
        found = by_id(document)
        self.sent[name] |= found
        self.promised[name] |= set(found)

    def account(self, name):
        """What became of a route's events."""
        accepted, letters = self.emulators[name].accepted(), letters_of(self.kafka, self.dead[name], 1)
        if name == "raw":
            assert set(accepted) | {letter.event_uuid for letter in letters} == self.promised[name]
            return letters
        settings = self.emulators[name].settings()
        return account_of(
            self.sent[name], self.promised[name], accepted, letters, conflicts=0, settings=settings
        ).letters


def _ready(process):
    return json.loads(get(f"{process.url}/health/ready")[1] or "{}")


def _of(process, metric, route):
    return sum(
        value for name, value in process.metrics().items() if name.startswith(metric) and f'route="{route}"' in name
    )


def test_a_held_route_holds_no_other(kafka, topic, tmp_path):
    """AEP away for one, credentials refused for another, a third that cannot start: the fourth flows, and nothing is lost on any."""
    with _Deployment(kafka, topic, tmp_path) as deployment:
        receiver = deployment.run("receiver").wait_ready()
        deployment.emulators["eu"].control(fail={"status": 503, "seconds": 600})
        worker = deployment.run("worker")
        eventually(
            lambda: _of(worker, "bridge_assigned_partitions", "raw") == 2, within=60, what="the raw route is at work"
        )
        for name in NAMES:
            deployment.post(name, range(_EVENTS))
        eventually(
            lambda: _of(worker, "bridge_delivered_events_total", "raw") == _EVENTS,
            within=30,
            what="the raw route has delivered all of its events",
        )
        reasons = eventually(
            lambda: (
                "given up" in str(told := _ready(worker).get("reasons", {})) and "credentials" in str(told) and told
            ),
            within=60,
            what="the given-up route and the refused credentials are told",
        )
        assert "mapping" in worker.tail(1_000)
        assert [name for name in reasons if name == "route broken"], reasons
        assert [name for name in reasons if name.startswith("credentials") and "route us" in name], reasons
        assert not [name for name in reasons if "route raw" in name], reasons
        assert get(f"{worker.url}/health/live")[0] == 200
        assert (_of(worker, "bridge_worker_process_up", "broken"), _of(worker, "bridge_worker_process_up", "raw")) == (
            0,
            1,
        )
        assert (
            _of(worker, "bridge_delivered_events_total", "eu")
            == _of(worker, "bridge_delivered_events_total", "us")
            == 0
        )
        # While the two are held the third goes on.
        deployment.post("raw", range(_EVENTS, 2 * _EVENTS))
        eventually(
            lambda: _of(worker, "bridge_delivered_events_total", "raw") == 2 * _EVENTS, within=30, what="raw flows on"
        )
        status = deployment.run("status", "--url", worker.url, "--json", "--seconds", "0")
        assert status.wait(30) == 1
        told = json.loads(status.log.read_text())["routes"]
        assert told["raw"]["ready"] is True
        assert told["us"]["ready"] is False
        assert sum(told["eu"]["lag"].values()) == _EVENTS
        deployment.emulators["eu"].control(clear_faults=True)
        deployment.secret.write_text("emulated-secret")
        for name in ("eu", "us"):
            eventually(
                lambda name=name: _of(worker, "bridge_delivered_events_total", name) == _EVENTS,
                within=90,
                what=f"{name} is delivered once its cause is mended",
            )
        worker.terminate()
        assert worker.wait(30) == 0, worker.tail()
        receiver.terminate()
        assert receiver.wait(30) == 0, receiver.tail()
        for name in ("eu", "us", "raw"):
            assert deployment.account(name) == []


def test_when_no_route_starts_the_command_ends(tmp_path):
    """Every route's mapping set is missing: each is given up, and the command exits 1."""
    (tmp_path / "bridge.toml").write_text(
        "[kafka]\nbootstrap_servers = ['127.0.0.1:9']\n[mapping]\npath = 'no-such-file.csv'\n"
        "[telemetry]\nlog_format = 'json'\n[routes.a]\n[routes.b]\n",
        encoding="utf-8",
    )
    with BridgeProcess(["worker"], {}, directory=tmp_path) as worker:
        assert worker.wait(120) == 1
    given_up = [line["route"] for line in worker.log_lines() if line["event"] == "worker_processes_given_up"]
    assert sorted(given_up) == ["a", "b"]
    assert "route a: " in worker.tail(1_000)
