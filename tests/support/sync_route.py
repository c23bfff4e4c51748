"""A route from a database to an emulated workspace of MoEngage: its folder, its worker, its runs, and what the workspace has."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import NamedTuple

import psutil
from checkout import ROOT
from json_output import json_of
from typer.testing import CliRunner

from bridge.cli.main import app
from bridge.emulators.moengage.server import fingerprint
from bridge.model.errors import BridgeError
from bridge.testing.account import letters_of
from bridge.testing.emulator_process import EmulatorProcess
from bridge.testing.processes import BridgeProcess, get, start_tied, start_writing

_PACE_SECONDS = 0.05
_LONGEST_SECONDS = 3_600
SET = """\
source_type,source,destination,nulls
ATTRIBUTE,customer_id,customer.customer_id,
ATTRIBUTE,email,customer.attributes.email,clear
ATTRIBUTE,plan,customer.attributes.plan,clear
ATTRIBUTE,visits,customer.attributes.visits,
ATTRIBUTE,since,customer.attributes.since,
ATTRIBUTE,sync_vanished.update_existing_only,customer.update_existing_only,
ATTRIBUTE,sync_vanished.unset_attributes,customer.unset_attributes,
ATTRIBUTE,sync_vanished.action,event.actions[0].action,
ATTRIBUTE,sync_vanished.user_time,event.actions[0].user_time,
"""


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def _most_memory(pid):
    """The most memory of a process so far, in MB; what it has now where the kernel does not tell: a short peak may be missed there."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        # Of a process that has ended and was not waited for, nothing is told any more.
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(encoding="utf-8"), re.MULTILINE)
        return int(found[1]) * 1024 / 1e6 if found else 0.0
    return psutil.Process(pid).memory_info().rss / 1e6


class SyncRoute:
    """The route ``crm``: rows of ``url`` to an emulated workspace."""

    def __init__(self, kafka, topic, directory, *, warehouse, moengage=None, mapping=SET, partitions=3):
        self.kafka, self.directory = kafka, directory
        self.topic, self.dead = topic("crm.rows", partitions=partitions), topic("crm.dead", partitions=1)
        self.emulator = EmulatorProcess(directory / "workspace", "--kind", "moengage")
        # What the emulator of Adobe alone has an option for.
        self.emulator._command = [each for each in self.emulator._command if each not in ("--payloads", "100000")]
        if mapping is not None:
            (directory / "set.csv").write_text(mapping, encoding="utf-8")
        self._sections = {
            "kafka": {"topic": self.topic, "dead_letter_topic": self.dead, "group": self.topic},
            "mapping": {"path": "set.csv"} if mapping is not None else {},
            "warehouse": warehouse,
            "moengage": {
                "workspace_id": "EMULATEDWORKSPACE",
                "api_key": "emulated-key",
                "base_url": f"http://127.0.0.1:{self.emulator.port}",
                "linger_seconds": 0.1,
                "users_per_minute": 0,
                "events_per_minute": 0,
                "unset": True,
                **(moengage or {}),
            },
        }
        self.state = f"bridge.state.{self.topic.replace('.', '-')}"
        self.write()
        self._processes = [self.emulator]

    def write_guide(self, text):
        """Write bridge.toml of a document, with Kafka and workspace as they are here."""
        here = f"[kafka]\nbootstrap_servers = ['{self.kafka}']\ncommit_interval_seconds = 0.3\ncreate_topics = true\n"
        here += f"replication_factor = 1\nstate_topic = '{self.state}'\n[telemetry]\nlog_format = 'json'\n"
        route = self._sections["kafka"]
        text = text.replace(
            "data_center = 2", f'base_url = "http://127.0.0.1:{self.emulator.port}"\nlinger_seconds = 0.1'
        )
        own = "".join(f"{key} = {json.dumps(value)}\n" for key, value in route.items())
        (self.directory / "bridge.toml").write_text(f"{here}{text}\n[routes.crm.kafka]\n{own}", encoding="utf-8")

    def write(self, **warehouse):
        """Write bridge.toml, with other keys of the warehouse."""
        self._sections["warehouse"] = self._sections["warehouse"] | warehouse
        parts = [
            f"[kafka]\nbootstrap_servers = ['{self.kafka}']\nsession_timeout_seconds = 6\ncommit_interval_seconds = 0.3\n",
            f"create_topics = true\nreplication_factor = 1\nstate_topic = '{self.state}'\n",
            "[telemetry]\nlog_format = 'json'\n[worker]\ndrain_seconds = 5\n[routes.crm]\nsource = 'warehouse'\n",
        ]
        for section, keys in self._sections.items():
            lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
            parts.append(f"[routes.crm.{section}]\n{lines}")
        (self.directory / "bridge.toml").write_text("".join(parts), encoding="utf-8")

    def __enter__(self):
        self.emulator.start().wait_up()
        return self

    def __exit__(self, *_):
        for process in reversed(self._processes):
            process.stop(grace=0)
            print(f"---- {process.name}\n{process.tail(60)}")  # noqa: T201 - pytest shows it with a failure

    def worker(self, *arguments):
        """Start a worker and wait until it is ready."""
        process = BridgeProcess(["worker", *arguments], {}, directory=self.directory)
        self._processes.append(process)
        return process.start().wait_ready(60)

    def command(self, arguments):
        """Run ``aep-bridge ARGUMENTS`` in the folder of bridge.toml, in this process: output, words and exit."""
        with contextlib.chdir(self.directory):
            done = CliRunner().invoke(app, list(arguments), env={"COLUMNS": None})
        words = done.stderr
        if isinstance(done.exception, BridgeError):
            words += f"error: {done.exception}\n"
        elif done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Done(done.exit_code, done.stdout, words)

    def sync(self, *arguments, exit_code=0):
        """Run ``aep-bridge sync ARGUMENTS --json`` and give what it prints."""
        done = self.command(["sync", *arguments, *([] if arguments[0] == "give-up" else ["--json"])])
        assert done.returncode == exit_code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        self.words = done.stderr
        return json_of(done, exit_code=exit_code) if done.stdout else None

    def start_sync(self, *arguments):
        """Start a run in the background; :meth:`kill` ends it at once."""
        command = [sys.executable, "-m", "bridge", "sync", *arguments]
        return start_tied(command, log=self.directory / "sync.log", env=self._environment(), cwd=self.directory)

    def _environment(self):
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("BRIDGE_")}
        return inherited | {"PYTHONPATH": str(ROOT)}

    def received(self, query=""):
        """What the workspace has."""
        return json.loads(get(f"http://127.0.0.1:{self.emulator.port}/received{query}", timeout=60)[1])

    def letters(self):
        """The route's dead letters."""
        return letters_of(self.kafka, self.dead)

    def users(self):
        """By customer id a fingerprint of the attributes that the workspace has."""
        return {name: mark for name, _, mark in self._customers("customers=1")}

    def events(self):
        """By customer id the fingerprints of the events that the workspace has, those that came again among them once."""
        return {name: sorted(set(marks)) for name, *_, marks in self._customers("customers=1&events=1")}

    def _customers(self, query):
        offset = 0
        while offset is not None:
            page = self.received(f"?{query}&offset={offset}")
            yield from page["customers"]
            offset = page["next_offset"]

    def sync_apart(self, *arguments, measured=True):
        """As :meth:`sync`, in a process of its own: what it prints, and, where ``measured``, the most memory that it had, in MB.

        Memory is that of an interpreter of its own, which takes a second of processor time to start.
        """
        command = [sys.executable, "-m", "bridge", "sync", *arguments, "--json"]
        out = self.directory / "sync.json"
        with out.open("wb") as said, (self.directory / "sync.log").open("ab") as words:
            child = start_writing(
                command, said, words, env=self._environment(), cwd=self.directory, own_interpreter=measured
            )
        peak = 0.0
        while measured and child.poll() is None:
            # Asked while it runs: the figure of a child that has ended counts what its parent had when it was forked.
            with contextlib.suppress(psutil.NoSuchProcess, OSError):
                peak = max(peak, _most_memory(child.pid))
            time.sleep(_PACE_SECONDS)
        assert child.wait(_LONGEST_SECONDS) in (0, 3), (self.directory / "sync.log").read_text(encoding="utf-8")
        return json.loads(out.read_bytes()), peak


def marks_of(users):
    """Fingerprints of users as :meth:`SyncRoute.users` gives them."""
    return {name: fingerprint(attributes) for name, attributes in users.items()}
