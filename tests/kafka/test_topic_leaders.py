"""A topic whose brokers are away is not a topic that is missing: nobody makes it, takes it for empty, or gives up over it."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from aiokafka.errors import TopicAlreadyExistsError
from structlog.testing import capture_logs

from bridge.kafka import topics
from bridge.kafka.route_state import state_log
from bridge.kafka.route_state.state_log import StateLog
from bridge.kafka.topics import LeaderMissing, TopicMissing, ensure_topics
from bridge.model.errors import KafkaError
from bridge.settings import KafkaSettings
from bridge.testing.virtual_loop import VirtualLoop


class _Admin:
    """An admin client; ``leaders`` gives each topic's leader by partition, below 0 for none. A topic that is made has one after 1 s."""

    def __init__(self, **leaders):
        self.leaders = leaders
        self.made = []
        self.code = 0

    async def describe_topics(self):
        return [
            {
                "topic": name,
                "error_code": 0 if numbers else 3,
                "partitions": [{"partition": number, "leader": leader} for number, leader in enumerate(numbers)],
            }
            for name, numbers in self.leaders.items()
        ]

    async def create_topics(self, new):
        for topic in new:
            self.made.append(topic.name)
            self.leaders[topic.name] = [-1]
            asyncio.get_running_loop().call_later(1.0, self.leaders.update, {topic.name: [2]})
        return SimpleNamespace(topic_errors=[(topic.name, self.code, "") for topic in new])


@pytest.fixture
def ask(monkeypatch):
    """Ask these brokers in virtual time; gives the answer or the error, and the seconds it took."""

    def run(brokers, work, **settings):
        @asynccontextmanager
        async def admin(_kafka):
            yield brokers

        monkeypatch.setattr(topics, "admin", admin)
        monkeypatch.setattr(state_log, "admin", admin)
        kafka = KafkaSettings(topic="events", dead_letter_topic="dead", **settings)

        async def main():
            begun = asyncio.get_running_loop().time()
            try:
                found = await work(kafka)
            except KafkaError as error:
                found = error
            return found, asyncio.get_running_loop().time() - begun

        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(main())

    return run


@pytest.mark.parametrize("create_topics", [False, True])
def test_a_partition_without_a_leader_is_told_by_its_number(ask, create_topics):
    """No command to create what is there, and nothing is created; what passes by waiting is no ``TopicMissing``."""
    brokers = _Admin(events=[1, -1, 2, -1], dead=[0, 1], other=[-1])
    found, seconds = ask(brokers, ensure_topics, create_topics=create_topics)
    assert type(found) is LeaderMissing
    assert not isinstance(found, TopicMissing)
    assert str(found) == "Kafka at localhost:9092 (PLAINTEXT): topic events has no leader for partition 1, 3"
    assert found.hint == "the brokers that hold them are away: look at the brokers' health"
    assert (brokers.made, seconds) == ([], 0.0)
    brokers.leaders["events"] = [1, 0, 2, 0]
    assert ask(brokers, ensure_topics, create_topics=create_topics)[0] == {"events": 4, "dead": 2}


def test_each_topic_without_a_leader_is_named(ask):
    """With the partitions of each."""
    found, _ = ask(_Admin(events=[-1], dead=[0, -1]), ensure_topics)
    assert str(found).endswith("topic events has no leader for partition 0; topic dead has no leader for partition 1")


def test_what_is_missing_comes_first(ask):
    """Waiting does not help there; a topic that the broker refuses to describe counts as missing, as before."""
    found, _ = ask(_Admin(events=[-1], dead=[]), ensure_topics, create_topics=False)
    assert isinstance(found, TopicMissing)
    assert str(found) == "no such topic: dead"


@pytest.mark.parametrize(("code", "told"), [(0, ["topic_created"]), (TopicAlreadyExistsError.errno, [])])
def test_a_topic_that_is_made_is_waited_for_and_told_by_who_made_it(ask, code, told):
    """Another process may have made it meanwhile: it is waited for all the same, and not called ours."""
    brokers = _Admin(events=[0])
    brokers.code = code
    with capture_logs() as logs:
        found, seconds = ask(brokers, ensure_topics, create_topics=True)
    assert found == {"events": 1, "dead": 1}
    assert 1.0 <= seconds < 1.2
    assert [line["event"] for line in logs] == told


@pytest.mark.parametrize(
    ("leaders", "seconds"), [({"events": [0], "state.crm": [-1]}, 0.0), ({"events": [0]}, 1.0), ({"events": [-1]}, 0.0)]
)
def test_the_state_of_a_route_waits_for_a_leader_only_where_it_was_made_just_now(ask, monkeypatch, leaders, seconds):
    """One whose brokers are away is told, so that readiness can say it; nothing is made in the place of it."""
    brokers = _Admin(**leaders)

    async def described(_client, names):
        return {name: SimpleNamespace(cleanup_policy="compact") for name in names}

    monkeypatch.setattr(state_log, "describe", described)
    publisher = SimpleNamespace(knows=lambda _name: True)

    async def opened(kafka):
        return await StateLog(kafka, "crm", publisher, same_partitions=False).open()

    found, took = ask(brokers, opened, create_topics=True, state_topic="state")
    if seconds:
        assert (found, brokers.made) == (1, ["state.crm"])
        assert seconds <= took < seconds + 0.5
    else:
        assert (type(found), brokers.made, took) == (LeaderMissing, [], 0.0)
