"""Commands on a topic with a batch of a few kilobytes that stands for hundreds of megabytes: they name it, and stay small."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bridge.testing.rig import Rig

pytestmark = pytest.mark.kafka
_BYTES = 700_000_000
_MOST_KILOBYTES = 450_000
"""Of a command's memory: less than the batch, or half of it, takes."""


_WRITE = f"""
import sys
from confluent_kafka import Producer
bootstrap, topic = sys.argv[1:]
settings = {{"bootstrap.servers": bootstrap, "compression.type": "zstd", "message.max.bytes": 1_000_000_000}}
producer = Producer(settings)
for value in (b'{{"event_code":"a"}}', b"0" * {_BYTES}, b'{{"event_code":"b"}}'):
    producer.produce(topic, value=value, key=b"u", partition=0)
    assert producer.flush(60) == 0
"""
"""One record after the other, each a batch of its own; in a process of its own, as a child begins with the memory of its parent."""


_MEASURE = """
import os, subprocess, sys
command = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=open(sys.argv[1], "wb"), stderr=subprocess.STDOUT)
_, status, usage = os.wait4(command.pid, 0)
command.returncode = os.waitstatus_to_exitcode(status)
print(command.returncode, usage.ru_maxrss)
"""
"""Started by a small process, as the kernel's figure of a child counts what its parent had when it was forked."""


def _run(rig, *arguments, tmp_path):
    """Exit code, what it said, and the most memory that it took, in kilobytes."""
    said = tmp_path / "said"
    measured = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(said), sys.executable, "-m", "bridge", *arguments],
        env={**os.environ, **rig.settings},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    code, kilobytes = map(int, measured.stdout.split())
    return code, said.read_text(), kilobytes


@pytest.mark.parametrize(
    ("letters", "command"),
    [
        (False, ("mapping", "drift", "--from-kafka", "10")),
        (True, ("deadletters", "list")),
        (True, ("deadletters", "replay")),
    ],
)
def test_a_command_names_the_bomb_and_stays_small(kafka, topic, tmp_path, letters, command):
    """Exit 1 with topic, partition and offset in one line, and no more memory than it takes for other batches."""
    with Rig(kafka, topic, tmp_path, partitions=1) as rig:
        name = rig.dead_topic if letters else rig.topic
        subprocess.run([sys.executable, "-c", _WRITE, rig.bootstrap, name], check=True)
        code, said, kilobytes = _run(rig, *command, tmp_path=tmp_path)
    assert code == 1, said
    assert f"{name}[0] cannot be read at offset 1: BatchTooLarge" in " ".join(said.split())
    assert "Traceback" not in said
    assert kilobytes < _MOST_KILOBYTES, f"{kilobytes=}"
