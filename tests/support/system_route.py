"""A route to an emulated workspace of MoEngage: its folder, its processes, and what the workspace has."""

from __future__ import annotations

import json

import httpx
from account import letters_of
from emulator_process import Emulator
from processes import BridgeProcess, free_port, get

_SET = """\
source_type,source,destination,nulls
ATTRIBUTE,uid,customer.customer_id,
ATTRIBUTE,email_id,customer.attributes.email,clear
ATTRIBUTE,user_attributes.visits,customer.attributes.visits,
ATTRIBUTE,user_attributes.tier,customer.attributes.tier,clear
ATTRIBUTE,event_name,event.actions[0].action,
ATTRIBUTE,event_time,event.actions[0].user_time,
STATIC,unknown,event.actions[0].platform,
ATTRIBUTE,event_uuid,event.actions[0].attributes.source_event_id,
"""


class Route:
    """Receiver, worker and emulated workspace of one route ``copy``; ``mapping`` None: the set that ships for its source."""

    def __init__(self, kafka, topic, directory, *, moengage=None, mapping=_SET, source="moengage", more=None):
        self.kafka, self.directory, self.port = kafka, directory, free_port()
        self.topic, self.dead = topic("copy.events", partitions=3), topic("copy.dead", partitions=1)
        (directory / "key").write_text("emulated-key\n", encoding="utf-8")
        self.emulator = Emulator(directory / "workspace", "--kind", "moengage")
        # What the emulator of Adobe alone has an option for.
        self.emulator._command = [each for each in self.emulator._command if each not in ("--payloads", "100000")]
        if mapping is not None:
            (directory / "set.csv").write_text(mapping, encoding="utf-8")
        sections = {
            "kafka": {"topic": self.topic, "dead_letter_topic": self.dead, "group": self.topic},
            **({} if mapping is None else {"mapping": {"path": "set.csv"}}),
            "moengage": {
                "workspace_id": "EMULATEDWORKSPACE",
                "api_key_file": "key",
                "base_url": f"http://127.0.0.1:{self.emulator.port}",
                "linger_seconds": 0.1,
                **(moengage or {}),
            },
            **(more or {}),
        }
        parts = [
            f"[kafka]\nbootstrap_servers = ['{kafka}']\nsession_timeout_seconds = 6\ncommit_interval_seconds = 0.3\n",
            f"[receiver]\nhost = '127.0.0.1'\nport = {self.port}\n[telemetry]\nlog_format = 'json'\n",
            f"[worker]\ndrain_seconds = 5\n[routes.copy]\nsource = '{source}'\ndestination = 'moengage'\n",
        ]
        for section, keys in sections.items():
            lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
            parts.append(f"[routes.copy.{section}]\n{lines}")
        (directory / "bridge.toml").write_text("".join(parts), encoding="utf-8")
        self._processes = [self.emulator]

    def __enter__(self):
        self.emulator.start().wait_up()
        return self

    def __exit__(self, *_):
        for process in reversed(self._processes):
            process.stop(grace=0)
            print(f"---- {process.name}\n{process.tail(60)}")  # noqa: T201 - pytest shows it with a failure

    def run(self, *arguments):
        """Start ``aep-bridge ARGUMENTS`` in the folder of bridge.toml."""
        process = BridgeProcess(arguments, {}, directory=self.directory)
        self._processes.append(process)
        return process.start()

    def post(self, *events):
        """Post a batch, as MoEngage's Streams do."""
        document = {"app_name": "A", "source": "MOENGAGE", "moe_request_id": "r", "events": events}
        address = f"http://127.0.0.1:{self.port}/moengage/streams/copy"
        answer = httpx.post(address, json=document, timeout=30, trust_env=False)
        assert answer.status_code == 200, answer.text

    def received(self, query=""):
        """What the workspace has."""
        return json.loads(get(f"http://127.0.0.1:{self.emulator.port}/received{query}")[1])

    def letters(self):
        """Its dead letters."""
        return letters_of(self.kafka, self.dead, 1)
