"""What a group has committed, asked of brokers whose coordinator is just changing: never "nothing", where nothing is known."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition, errors
from aiokafka.cluster import ClusterMetadata
from aiokafka.consumer import consumer as consumer_module
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.protocol.commit import OffsetFetchResponse_v3
from aiokafka.structs import OffsetAndMetadata
from virtual_time import in_virtual_time

import bridge.kafka.consumer.client.kafka_client  # noqa: F401 - as a worker has it
from bridge.kafka.group_offsets import group_offsets, groups_named
from bridge.model.errors import KafkaError
from bridge.settings import KafkaSettings
from bridge.testing.virtual_loop import VirtualLoop

PLACE = TopicPartition("t", 0)


def _committed(offset):
    return OffsetFetchResponse_v3(0, [("t", [(0, offset, "note", 0)])], 0)


def _refused(code):
    return OffsetFetchResponse_v3(0, [], code)


class _Brokers:
    """A client whose coordinator answers what is given, one after the other."""

    def __init__(self, *answers):
        self.answers, self.lookups = list(answers), 0
        self.cluster = ClusterMetadata()

    async def send(self, _node, _request, *, group):
        assert group is not None
        return self.answers.pop(0)

    async def coordinator_lookup(self, _kind, _group):
        self.lookups += 1
        return 1

    async def ready(self, _node, *, group):
        return group is not None

    async def force_metadata_update(self):
        return True


async def _asked(brokers, ask):
    subscription = SubscriptionState(loop=asyncio.get_running_loop())
    subscription.register_fetch_waiters([])
    coordinator = consumer_module.GroupCoordinator(
        brokers, subscription, group_id="g", retry_backoff_ms=1, enable_auto_commit=False
    )
    try:
        return await ask(SimpleNamespace(coordinator=coordinator, subscription=subscription))
    finally:
        await coordinator.close()


@pytest.mark.parametrize("code", [14, 15, 16])
async def test_a_coordinator_that_is_changing_is_asked_until_it_knows(code):
    """Its refusal names no partition; taken for an answer it would say that the group has committed nothing."""
    brokers = _Brokers(_refused(code), _refused(code), _committed(70))
    found = await _asked(brokers, lambda made: made.coordinator.fetch_committed_offsets([PLACE]))
    assert {place: told.offset for place, told in found.items()} == {PLACE: 70}
    assert brokers.lookups == (1 if code == 14 else 3), "another broker may lead the group by then"


@in_virtual_time
async def test_a_consumer_begins_where_the_group_is_and_not_at_the_beginning():
    """What the client itself asks for the positions it begins at, in its background."""
    brokers = _Brokers(_refused(16), _committed(70))

    async def position(made):
        made.subscription.assign_from_user([PLACE])
        assignment = made.subscription.subscription.assignment
        waiting = asyncio.ensure_future(assignment.state_value(PLACE).fetch_committed())
        made.coordinator.start_commit_offsets_refresh_task(assignment)
        told = await asyncio.wait_for(waiting, 60)
        made.subscription.unsubscribe()
        return told.offset

    assert await _asked(brokers, position) == 70


async def test_an_error_that_stays_is_told():
    """A group that may not be read is no group without offsets."""
    with pytest.raises(errors.GroupAuthorizationFailedError):
        await _asked(_Brokers(_refused(30)), lambda made: made.coordinator.fetch_committed_offsets([PLACE]))


class _Admin:
    """An admin client that gives or raises what it is told, one after the other, the last of it for ever."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def _next(self):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def list_consumer_group_offsets(self, group, partitions):
        assert (group, partitions) == ("g", [PLACE])
        return self._next()

    async def list_consumer_groups(self):
        return self._next()


LATE = [
    errors.GroupCoordinatorNotAvailableError(),
    errors.GroupLoadInProgressError(),
    errors.NotCoordinatorForGroupError(),
    errors.RequestTimedOutError(),
    errors.NodeNotReadyError(),
]


def test_offsets_are_asked_for_until_a_coordinator_tells_of_every_partition():
    """Whatever passes by itself is waited out, the silence about partitions too with which the client passes over a refusal."""
    with contextlib.closing(VirtualLoop()) as loop:
        told = {PLACE: OffsetAndMetadata(-1, "")}
        admin = _Admin(*LATE, {}, told)
        assert loop.run_until_complete(group_offsets(KafkaSettings(), admin, "g", [PLACE])) == told
        admin = _Admin(*LATE, [("g.b", "consumer"), ("g.a", ""), ("h", "")])
        assert loop.run_until_complete(groups_named(KafkaSettings(), admin, "g.")) == ["g.a", "g.b"]


def test_a_coordinator_that_does_not_come_is_told_with_the_group_and_the_reason():
    """After the time of a request; and what waiting does not mend at once."""
    with contextlib.closing(VirtualLoop()) as loop:
        began = loop.time()
        with pytest.raises(KafkaError, match=r"offsets of the group g cannot be had: .*GroupLoadInProgress") as told:
            loop.run_until_complete(
                group_offsets(KafkaSettings(), _Admin(errors.GroupLoadInProgressError()), "g", [PLACE])
            )
        assert "coordinator" in told.value.hint
        assert 30 <= loop.time() - began < 31
        with pytest.raises(KafkaError, match="offsets of the group g cannot be read"):
            loop.run_until_complete(group_offsets(KafkaSettings(), _Admin(errors.NoError()), "g", [PLACE]))
        with pytest.raises(errors.GroupAuthorizationFailedError):
            loop.run_until_complete(
                group_offsets(KafkaSettings(), _Admin(errors.GroupAuthorizationFailedError()), "g", [PLACE])
            )
        assert loop.time() - began < 31
