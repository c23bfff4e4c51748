"""The one root of every exception the bridge raises on purpose.

Expected failures of an event or a request are values (:mod:`bridge.model.verdicts`); what is raised is what stops a command.
"""


class BridgeError(Exception):
    """What went wrong, and in ``hint`` what the reader can do about it."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class SettingsError(BridgeError):
    """A setting is missing, unknown or of the wrong form."""


class MappingError(BridgeError):
    """A mapping set cannot be read or compiled; the message names row and column."""


class KafkaError(BridgeError):
    """Kafka cannot be reached, or lacks a topic that was not to be created."""


class LeadLost(BridgeError):  # noqa: N818 - it says what has happened
    """Another worker may do by now what was to be done."""


class NotJson(BridgeError):  # noqa: N818 - it reads as the verdict that it is
    """The bytes are not JSON; the message says where, and quotes nothing of them."""
