"""The private names of aiokafka and Faust that are touched: in one module each, and as they were when it was written."""

import hashlib
import inspect
import re
from pathlib import Path

import aiokafka
import faust
import pytest
from aiokafka import conn
from aiokafka.consumer import fetcher, group_coordinator
from aiokafka.producer import message_accumulator, sender
from faust.transport.drivers import aiokafka as driver
from mode.threads import ServiceThread

ROOM = Path(__file__).parents[2] / "bridge"
INTERNALS = {"kafka/aiokafka_internals.py", "kafka/consumer/stream/faust_internals.py"}

READ = {
    "aiokafka.AIOKafkaConsumer": (aiokafka.AIOKafkaConsumer, "f7a5053529de"),
    "aiokafka.Fetcher": (fetcher.Fetcher, "2b011d9164fa"),
    "aiokafka.FetchResult": (fetcher.FetchResult, "d7db13f06de8"),
    "aiokafka.FetchError": (fetcher.FetchError, "10966ad4c795"),
    "aiokafka.PartitionRecords": (fetcher.PartitionRecords, "94aa0da0dbec"),
    "aiokafka.AIOKafkaConnection.connect": (conn.AIOKafkaConnection.connect, "b0f9ba7f0cf6"),
    "aiokafka.GroupCoordinator": (group_coordinator.GroupCoordinator, "3cc75f875a23"),
    "aiokafka.Sender": (sender.Sender, "46ef144176b7"),
    "aiokafka.MessageAccumulator": (message_accumulator.MessageAccumulator, "562530971ca9"),
    "faust.App._create_directories": (faust.App._create_directories, "a9f571c3b04a"),
    "faust.Consumer": (driver.Consumer, "959f899e8ebf"),
    "faust.ThreadDelegateConsumer": (driver.ThreadDelegateConsumer, "a1b934b198fa"),
    "faust.ConsumerRebalanceListener": (driver.ConsumerRebalanceListener, "f3d04f29dfb3"),
    "faust.AIOKafkaConsumerThread": (driver.AIOKafkaConsumerThread, "8ca70be32815"),
    "mode.ServiceThread": (ServiceThread, "327e312386fa"),
}
"""Name -> what was read, and the digest of its source then."""


def digest(read) -> str:
    """Of the source as it is installed."""
    return hashlib.sha256(inspect.getsource(read).encode()).hexdigest()[:12]


@pytest.mark.parametrize("name", READ)
def test_what_was_read_is_as_it_was(name):
    """Another version: read what has changed, see whether the internals module still holds, and write the digest down anew."""
    read, then = READ[name]
    assert digest(read) == then, f"{name} has changed: read it against {sorted(INTERNALS)}"


def test_nobody_else_touches_private_names():
    """Ruff refuses a private name of another object (SLF001); only the two modules are excused for libraries of Kafka."""
    excused = {
        str(path.relative_to(ROOM))
        for path in (ROOM / "kafka").rglob("*.py")
        if "SLF001" in path.read_text(encoding="utf-8")
    }
    assert excused == {"kafka/aiokafka_internals.py"}


def test_private_names_are_overridden_there_alone():
    """A class of Faust's is subclassed in its internals module; what subclasses further defines no private name of Faust's."""
    private = {
        name
        for base in (
            driver.Consumer,
            driver.ThreadDelegateConsumer,
            driver.AIOKafkaConsumerThread,
            driver.Transport,
            faust.App,
        )
        for each in base.__mro__
        for name in vars(each)
        if name.startswith("_") and not name.startswith("__")
    }
    for path in (ROOM / "kafka" / "consumer").rglob("*.py"):
        if str(path.relative_to(ROOM)) in INTERNALS or "faust" not in path.read_text(encoding="utf-8"):
            continue
        defined = set(re.findall(r"^    (?:async )?def (_[a-z]\w*)", path.read_text(encoding="utf-8"), re.MULTILINE))
        assert not defined & private, path
