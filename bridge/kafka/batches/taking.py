"""Takes records out of a consumer without a group, and names the place of what cannot be read: all that lies before it comes first.

The client throws away what it has parsed of a fetch in which something cannot be read, and passes it when it is asked once more.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from aiokafka import errors

from bridge.kafka.aiokafka_internals import broken_at, error_of_partition
from bridge.model.errors import KafkaError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from aiokafka import TopicPartition

_HINT = "kafka-dump-log.sh shows what is stored there; see docs/operations.md"


class UnreadablePlaceError(KafkaError):
    """What is stored at an offset cannot be read."""

    def __init__(self, partition: TopicPartition, offset: int, error: BaseException) -> None:
        # The message of such an error may quote the record.
        super().__init__(
            f"{partition.topic}[{partition.partition}] cannot be read at offset {offset}: {type(error).__name__}",
            hint=_HINT,
        )
        self.partition = partition.partition
        self.offset = offset


async def take(consumer: Any, partition: TopicPartition, *, timeout_ms: int, most: int | None = None) -> Sequence[Any]:
    """The partition's next records, as ``getmany`` gives them. Raises :class:`UnreadablePlaceError` where the next one cannot be read."""
    start = await position(consumer, partition)
    try:
        found: dict[Any, Sequence[Any]] = await consumer.getmany(partition, timeout_ms=timeout_ms, max_records=most)
    except MemoryError:
        raise
    except Exception as error:
        offset = _place_of(error, consumer, partition, start)
        if offset is None:
            raise
        before = await _up_to(consumer, partition, start, offset, timeout_ms=timeout_ms)
        if before:
            return before
        raise UnreadablePlaceError(partition, offset, error) from error
    return found.get(partition, ())


@contextlib.contextmanager
def named_places(consumer: Any, partitions: Iterable[TopicPartition]) -> Iterator[None]:
    """What the client raises over data of these partitions, with its place: as :class:`UnreadablePlaceError`."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        for partition in partitions:
            if (offset := broken_at(consumer, partition)) is not None:
                raise UnreadablePlaceError(partition, offset, error) from error
        raise


async def position(consumer: Any, partition: TopicPartition) -> int:
    """The offset of what is taken next. The client counts a batch that it takes for too large as passed, before it has said so."""
    offset = int(await consumer.position(partition))
    return offset - isinstance(error_of_partition(consumer, partition), errors.RecordTooLargeError)


def _place_of(error: Exception, consumer: Any, partition: TopicPartition, start: int) -> int | None:
    """Where the data is that cannot be read; None for what is no fault of the data."""
    if isinstance(error, errors.RecordTooLargeError):
        return start
    return broken_at(consumer, partition)


async def _up_to(consumer: Any, partition: TopicPartition, start: int, end: int, *, timeout_ms: int) -> Sequence[Any]:
    """The records before what cannot be read, one by one; the client goes on behind them."""
    found: list[Any] = []
    at = start
    consumer.seek(partition, start)
    try:
        while await position(consumer, partition) < end:
            one = (await consumer.getmany(partition, timeout_ms=timeout_ms, max_records=1)).get(partition)
            if not one:
                break
            found += one
            at = one[-1].offset + 1
    except Exception as error:
        if isinstance(error, MemoryError) or broken_at(consumer, partition) is None:
            raise
    finally:
        consumer.seek(partition, at)
    return found
