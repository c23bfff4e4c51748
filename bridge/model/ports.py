"""The ports: what a source and a destination implement, and all that the core knows of either.

A route joins a :class:`Decoder` (of its source), a :class:`Transform` and a :class:`Destination`; the kinds implement them in
``bridge/sources/*`` and ``bridge/destinations/*``, and ``bridge/routes/kinds.py`` names them in one table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from bridge.model.delivery_policy import DeliveryPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from bridge.model.accepted_state import Memory
    from bridge.model.dead_letter import StoredLetters
    from bridge.model.event import Bound, Event, LeftOut, Refusal
    from bridge.model.record import Record
    from bridge.model.verdicts import Outcome, Rejected


class Decoder(Protocol):
    """What the bytes of a source say. Pure; no method changes its input.

    A *document* is the JSON value of a body or record. It holds one event or several, each with its index.
    """

    def decode(self, value: bytes) -> Sequence[Event | Refusal | LeftOut]:
        """The canonical events of one Kafka record, in order. The worker's hot path.

        A canonical event gives itself. Bounded by :data:`bridge.model.event.MOST`. Raises ``NotJson``.
        """
        ...

    def parse_record(self, value: bytes) -> Any:
        """The document of a record, exact to every digit and member. Raises ``NotJson``."""
        ...

    def parse_body(self, body: bytes) -> Any:
        """The document of a request's body, read as leniently as the sender needs. Raises ``NotJson``.

        Ambiguous members stay in it as values that :meth:`encode` refuses, so that they cost one event and not the body.
        """
        ...

    def events_of(self, document: Any, bound: Bound) -> Sequence[Event | Refusal | LeftOut]:
        """Every event of a document in canonical form; one ``Refusal`` for a document that would become more than ``bound``."""
        ...

    def weigh(self, document: Any) -> Bound | None:
        """What a document becomes, before anything is made of it; None where it plainly holds a single event."""
        ...

    def isolate(self, document: Any, index: int) -> Any:
        """The document with its ``index``-th event alone: the value of a dead letter of that event."""
        ...

    def record_key(self, event: Event) -> bytes | None:
        """The Kafka key of a canonical event: what identifies its customer."""
        ...

    def encode(self, value: Any) -> bytes | Refusal:
        """A document or event as JSON; a ``Refusal`` for what can be read but not written."""
        ...


class Transform(Protocol):
    """From a canonical event to what the destination takes: mapped, checked and encoded.

    Synchronous and without I/O. What it notes on the way (attributes that were nulled, values that were dropped) it keeps
    until :meth:`tally`, which the worker calls once for each chunk of events.
    """

    @property
    def mapping(self) -> str | None:
        """sha256 of the mapping set; None where events leave as they came."""
        ...

    def apply(self, event: Event) -> bytes | Rejected | Sequence[bytes | Rejected]:
        """One event as it stands in a request: an element, a rejection, or a sequence of several of either.

        Each element is delivered and gets its verdict by itself; a rejected one makes a dead letter of its event. An empty
        sequence: nothing of the event is for this destination. An exception makes a dead letter (``internal_error``).
        """
        ...

    def apply_unmapped(self, value: bytes) -> bytes | Rejected:
        """An event in the destination's own form, which came back from it: checked and encoded as :meth:`apply` does, not mapped."""
        ...

    def tally(self) -> None:
        """Add to metrics and log what was noted since the last call."""
        ...

    def forget(self) -> None:
        """Drop what was noted since the last call, after a rehearsal."""
        ...


class TransformFiles(Protocol):
    """The files that a transform is made of, for a worker that takes up their changes while it runs."""

    @property
    def reload_seconds(self) -> float:
        """How often they are looked at."""
        ...

    def files(self) -> Sequence[Path]:
        """Every file whose change matters."""
        ...

    def load(self) -> Transform:
        """Make the transform of the files as they are; called in a thread. Raises ``BridgeError`` that names the cause."""
        ...

    def failing(self) -> Sequence[str]:
        """Names of the golden cases that the files as they are do not pass. Called while no event is transformed."""
        ...

    def newly_refused(self, in_use: Transform, candidate: Transform, recent: Sequence[Event]) -> Sequence[str]:
        """Why recent events that the transform in use takes would be refused by the candidate; empty when none is."""
        ...


class Sketch(Protocol):
    """What the worker remembers of the events that it maps: a bounded sample."""

    @property
    def recent(self) -> Sequence[Event]:
        """The newest events that were looked at."""
        ...

    def look(self, event: Any) -> None:
        """The last event of a chunk; a ``Refusal`` or None where it had none."""
        ...

    def follow(self, transform: Transform) -> None:
        """Another transform is in use from now on."""
        ...


class Destination(Protocol):
    """Where events go: joins encoded elements into a request, sends it, reads a verdict for each.

    ``frame_bytes`` is what a request weighs without elements and ``separator_bytes`` what joins two of them, so that a
    batch can be filled by arithmetic: ``frame_bytes + sum(len(item)) + separator_bytes * (n - 1)`` is the body's size.
    A request has at most ``max_request_bytes`` and ``max_request_events`` elements.
    """

    name: str
    max_request_bytes: int
    max_request_events: int
    frame_bytes: int
    separator_bytes: int

    async def send(self, items: Sequence[bytes]) -> Outcome:
        """Send one request with these encoded elements. Raises nothing but cancellation: every failure is an outcome."""
        ...

    async def aclose(self) -> None:
        """Close connections; requests under way end as transient failures."""
        ...


class Publisher(Protocol):
    """Writes records to a topic and returns when all are confirmed.

    Raises ``RefusedByKafka`` for those that Kafka will not store while all others are stored, ``KafkaError`` otherwise.
    """

    async def publish(self, records: Sequence[Record], *, topic: str | None = None) -> None:
        """Write to the topic; None for the events' own."""
        ...

    def limit(self, topic: str) -> int:
        """Most bytes of one record."""
        ...


class EventStore(Protocol):
    """Where a receiver's events are safe."""

    @property
    def event_limit(self) -> int:
        """The most bytes one event's record may weigh."""
        ...

    @property
    def dead_letter_limit(self) -> int:
        """The most bytes one dead letter's record may weigh."""
        ...

    async def store(self, events: Sequence[Record], dead_letters: Sequence[Record]) -> StoredLetters:
        """Return when all of them are safe, with what was changed to make them so; raise ``BridgeError`` when one is not."""
        ...


class StateStore(Protocol):
    """Keeps small values by key over the death of processes. Raises ``KafkaError`` when it cannot."""

    async def read(self) -> Mapping[bytes, bytes]:
        """All of them; an empty value stands for none."""
        ...

    async def write(self, values: Mapping[bytes, bytes]) -> None:
        """Some of them; stored when it returns."""
        ...


class Lead(Protocol):
    """One time of leading, as a leader task sees it. Whatever writes raises ``LeadLost`` once it is over, and writes nothing."""

    @property
    def publisher(self) -> Publisher:
        """The worker's, to be written to as long as it leads."""
        ...

    @property
    def state(self) -> StateStore:
        """The worker's, for what the next leader must know."""
        ...

    def check(self) -> None:
        """Raise ``LeadLost`` when another worker may lead."""
        ...


class LeaderTask(Protocol):
    """Work of a route that one of its workers does for all, again and again, beside its stream (``bridge/worker/leading/leader.py``).

    One object lives as long as its worker; a new ``Lead`` means that another worker may have led meanwhile.
    """

    @property
    def name(self) -> str:
        """Short, stable, fit for a metric label: ``failed_batches``."""
        ...

    @property
    def retry_seconds(self) -> float:
        """How long to wait after a first failed run; after further ones up to five times as long."""
        ...

    @property
    def off(self) -> str:
        """Why it does not run, in words for the operator; empty where it does."""
        ...

    def due(self, succeeded: float | None, now: float) -> float:
        """When the next run is due, in seconds since 1970; ``now`` or before: at once.

        ``succeeded``: when the last successful one ended, whichever worker led then; None where none is known of. Pure.
        """
        ...

    async def run(self, lead: Lead) -> None:
        """Do it once. Raises ``BridgeError`` for what is tried again, and ``LeadLost``.

        May be cancelled at any await: what is half done then, the next leader finds.
        """
        ...

    async def aclose(self) -> None:
        """Close connections, if any."""
        ...


@dataclass(frozen=True, slots=True)
class RouteParts:
    """What a worker runs: the ports of one route, joined.

    ``title`` names the destination in sentences (``AEP``), ``host`` is where its requests go. ``blamed_settings``: the
    variables to check when it refuses every event because of how the bridge is set up.
    ``files``: where a changed mapping set is to be taken up while running. ``sketch``: where there are rows to compare with.
    ``memory``: where what was accepted is remembered by key. ``leader_tasks``: what one worker does for all of the route.
    """

    decoder: Decoder
    transform: Transform
    destination: Destination
    policy: DeliveryPolicy = field(default_factory=DeliveryPolicy)
    files: TransformFiles | None = None
    sketch: Sketch | None = None
    memory: Memory | None = None
    title: str = "the destination"
    host: str = ""
    blamed_settings: tuple[str, ...] = ()
    leader_tasks: tuple[LeaderTask, ...] = ()
