"""What Kafka refuses for good: which of its answers say that a record will never be stored, and the value that tells of one.

aiokafka knows no name for some of the codes and calls them all ``UnknownError``; the one that matters here is given a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiokafka import errors

from bridge.model.errors import KafkaError

if TYPE_CHECKING:
    from collections.abc import Sequence

TOO_LARGE = "too_large"


class InvalidRecordError(errors.BrokerResponseError):
    """The broker finds a record wrong, for example one without a key in a compacted topic."""

    errno = 87
    message = "INVALID_RECORD"
    description = "The broker will not take this record as it is."


errors.kafka_errors.setdefault(InvalidRecordError.errno, InvalidRecordError)

_FOR_GOOD: dict[type[BaseException], str] = {
    errors.MessageSizeTooLargeError: TOO_LARGE,
    errors.RecordListTooLargeError: TOO_LARGE,
    errors.InvalidTimestampError: "kafka_invalid_timestamp",
    errors.PolicyViolationError: "kafka_policy_violation",
    errors.UnsupportedForMessageFormatError: "kafka_unsupported_format",
    InvalidRecordError: "kafka_invalid_record",
}
_PERHAPS: dict[type[BaseException], str] = {
    errors.UnknownError: "kafka_unknown_error",
    errors.CorruptRecordException: "kafka_corrupt_record",
}
"""Trouble of the broker's, or of one record: told apart by sending the record alone, beside others that pass."""


@dataclass(frozen=True, slots=True)
class Refused:
    """One record that Kafka will not store: its ``number`` within the call, and why."""

    number: int
    code: str
    reason: str


class RefusedByKafka(KafkaError):  # noqa: N818 - it reads as the verdict that it is
    """Kafka has stored all records of a call but these, and will not store these."""

    def __init__(self, refused: Sequence[Refused]) -> None:
        super().__init__(f"Kafka will not store {len(refused)} of the records: {refused[0].reason}")
        self.refused = tuple(refused)


def concerns_a_record(error: BaseException) -> bool:
    """Whether the broker may have refused a batch for one of its records."""
    return type(error) in _FOR_GOOD or type(error) in _PERHAPS


def is_final(error: BaseException) -> bool:
    """Whether a record that was refused so, alone, is refused for good."""
    return type(error) in _FOR_GOOD


def code_of(error: BaseException) -> str:
    """The code of a dead letter of a record that was refused so."""
    return _FOR_GOOD.get(type(error)) or _PERHAPS[type(error)]
