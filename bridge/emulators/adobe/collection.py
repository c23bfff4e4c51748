"""The collection service: one event or a batch in, the documented answer out."""

from __future__ import annotations

import time
import uuid
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from bridge.emulators.adobe.connected import FlowChecker
from bridge.emulators.adobe.ingestion.failed_records import shown
from bridge.emulators.adobe.inlet import NO_FLOW, UNKNOWN_FORMAT, Checker, Inlet
from bridge.emulators.adobe.problems import authorization_problem, edge_problem, inlet_problem, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bridge.emulators.adobe.faults import Faults, ItemFailures, Shape
    from bridge.emulators.adobe.ims import Ims
    from bridge.emulators.adobe.ingestion.validation import Violation
    from bridge.emulators.adobe.platform.flow_service.inlets import Connected
    from bridge.emulators.adobe.platform.ingesting import Ingestion
    from bridge.emulators.adobe.received import Received

MEGABYTE = 1_048_576
SYNC_PER_MINUTE = 60
_MEDIA_TYPES = ("application/json",)


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and JSON of an answer."""

    status: int
    document: Any


class Collection:
    """Checks, stores and answers; knows nothing of HTTP beyond names of headers.

    ``ingestion`` takes what was answered 200; ``connected`` finds the inlets that Flow Service made, beside the preset one.
    """

    def __init__(
        self,
        inlet: Inlet,
        ims: Ims,
        received: Received,
        faults: Faults,
        *,
        max_bytes: int,
        sync_validation: bool,
        ingestion: Ingestion | None = None,
        connected: Callable[[str], Connected | None] = lambda _: None,
    ) -> None:
        self.inlet = inlet
        self._ims = ims
        self._received = received
        self._faults = faults
        self._max_bytes = max_bytes
        self._sync_validation = sync_validation
        self._sync_requests: deque[float] = deque()
        self._counted = 0
        self._transaction = 0
        self._ingestion = ingestion
        self._connected = connected

    def refuse(self, inlet_id: str, headers: Mapping[str, str], query: Mapping[str, str], size: int) -> Answer | None:
        """What is wrong with the request before its body is read."""
        inlet = self.inlet
        made = self._connected(inlet_id)
        if made is None and inlet.inlet_id is not None and inlet_id != inlet.inlet_id:
            return Answer(404, edge_problem("0003", 404, "Not found", "There is no such streaming connection"))
        if (inlet if made is None else made).authenticated:
            wrong = self._ims.refusal(headers.get("Authorization"))
            if wrong is not None:
                status = self._faults.unauthorized_status
                return Answer(status, authorization_problem(inlet_id, status, wrong))
            for name in ("x-gw-ims-org-id", "x-sandbox-name"):
                if not headers.get(name):
                    return Answer(400, {"error_code": "400003", "message": f"Required header {name} is missing"})
        if headers.get("Content-Type", "").partition(";")[0].strip().lower() not in _MEDIA_TYPES:
            return Answer(415, edge_problem("0111", 415, "Unsupported content type", "Send application/json"))
        if size > (self._faults.max_bytes or self._max_bytes):
            return Answer(413, edge_problem("0112", 413, "Payload too large", "The request exceeds 1 MB"))
        if (inlet if made is None else made).payload == "raw":
            flow = flow_of(headers, query)
            known = {inlet.flow_id} - {None} if made is None else made.targets
            if not flow or ((made is not None or known) and flow not in known):
                return Answer(400, inlet_problem(inlet_id, inlet.org_id, NO_FLOW))
        return None

    def batch(self, inlet_id: str, body: bytes, flow_id: str | None = None) -> Answer:
        """``POST /collection/batch/{id}``. ``flow_id``: of the header ``x-adobe-flow-id``."""
        document = _parse(body)
        messages = document.get("messages") if isinstance(document, dict) else None
        if not isinstance(messages, list) or not messages:
            return Answer(400, inlet_problem(inlet_id, self.inlet.org_id, UNKNOWN_FORMAT))
        self._received.bytes += len(body)
        transaction, batch = str(uuid.uuid4()), self._next_batch()
        shape = self._faults.shape
        if self._received.fast:
            self._received.events += len(messages)
            responses = _accepted(transaction, batch, range(len(messages)), shape)
        else:
            responses = self._each(inlet_id, messages, transaction, batch, flow_id)
        dropped = self._faults.strike(self._faults.drop_responses)
        if dropped is not None:
            responses = responses[: max(0, len(responses) - dropped.by)]
        return Answer(
            207,
            {
                "inletId": inlet_id,
                "batchId": batch,
                "receivedTimeMs": time.time_ns() // 1_000_000,
                "responses": responses,
            },
        )

    def single(self, inlet_id: str, body: bytes, flow_id: str | None = None, *, synchronous: bool) -> Answer:
        """``POST /collection/{id}``, with ``syncValidation`` if asked for."""
        if synchronous:
            if not self._sync_validation:
                return Answer(501, edge_problem("0001", 501, "Not implemented", "syncValidation is not supported here"))
            if not self._within_sync_rate():
                return Answer(429, edge_problem("0108", 429, "Too many requests", "60 a minute with syncValidation"))
        message = _parse(body)
        checker = self._checker(inlet_id, flow_id)
        found = checker.event_of(message)
        if isinstance(found, str):
            self._received.rejected += 1
            self._note(inlet_id, 1, 1)
            return Answer(400, inlet_problem(inlet_id, self.inlet.org_id, found, cause=_cause(found, synchronous)))
        if synchronous and (violations := self._violations(checker, message)):
            self._received.rejected += 1
            self._note(inlet_id, 1, 1)
            return Answer(400, _sync_problem(inlet_id, self.inlet.org_id, violations))
        self._received.bytes += len(body)
        self._received.add(*found)
        self._note(inlet_id, 1, 0)
        if (receive := self._receiver_of(checker)) is not None:
            receive(found[0], message)
        validation = {"status": "pass"} if synchronous else {"skipped": True}
        now = time.time_ns() // 1_000_000
        transaction = self._next_batch()
        return Answer(
            200, {"inletId": inlet_id, "xactionId": transaction, "receivedTimeMs": now, "syncValidation": validation}
        )

    def _checker(self, inlet_id: str, flow_id: str | None) -> Checker | FlowChecker:
        made = self._connected(inlet_id)
        return Checker(self.inlet) if made is None else FlowChecker(made, self.inlet.org_id, flow_id)

    def _receiver_of(self, checker: Checker | FlowChecker) -> Callable[[str, Mapping[str, Any]], None] | None:
        if self._ingestion is None:
            return None
        if isinstance(checker, Checker):
            return self._ingestion.receiver_of(self.inlet.dataset_id)
        return checker.hand_to(self._ingestion)

    def _violations(self, checker: Checker | FlowChecker, message: Mapping[str, Any]) -> Sequence[Violation]:
        if self._ingestion is None:
            return ()
        if isinstance(checker, Checker):
            return self._ingestion.violations(None, None, self.inlet.dataset_id, message)
        return self._ingestion.violations(checker.connected.sandbox, checker.target, None, message)

    def _note(self, inlet_id: str, received: int, refused: int) -> None:
        if self._ingestion is not None:
            self._ingestion.note_inlet(inlet_id, time.time_ns() // 1_000_000, received, refused)

    def _each(
        self, inlet_id: str, messages: Sequence[Any], transaction: str, batch: str, flow_id: str | None
    ) -> list[dict[str, Any]]:
        shape = self._faults.shape
        faults = self._faults.strike(self._faults.item_failures)
        checker, received = self._checker(inlet_id, flow_id), self._received
        receive = self._receiver_of(checker)
        failed: list[tuple[int, int, str]] = []
        for position, message in enumerate(messages):
            self._counted += 1
            found = checker.event_of(message)
            if isinstance(found, str):
                failed.append((position, 400, refusal(inlet_id, self.inlet.org_id, found)))
            elif faults is not None and _singled_out(faults, found[0], self._counted):
                failed.append((position, faults.status, refusal(inlet_id, self.inlet.org_id, faults.message)))
            else:
                received.add(*found)
                if receive is not None:
                    receive(found[0], message)
        self._note(inlet_id, len(messages), len(failed))
        responses = _accepted(transaction, batch, range(len(messages)), shape)
        failed_shape = (faults.shape if faults is not None else None) or shape
        for position, status, message in failed:
            if failed_shape == "documented":
                responses[position] = {"statusCode": status, "message": message}
            else:
                responses[position] = {"xactionId": f"{transaction}-{position}", "status": status, "message": message}
        received.rejected += len(failed)
        return responses

    def _next_batch(self) -> str:
        self._transaction += 1
        return f"{time.time_ns() // 1_000_000}:{self._transaction % 10_000}:{self._transaction % 256}"

    def _within_sync_rate(self) -> bool:
        now, recent = self._faults.clock(), self._sync_requests
        while recent and recent[0] <= now - 60:
            recent.popleft()
        if len(recent) >= SYNC_PER_MINUTE:
            return False
        recent.append(now)
        return True


def flow_of(headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
    """The dataflow that a request names, in its header or its query."""
    return headers.get("x-adobe-flow-id") or query.get("x-adobe-flow-id")


def _sync_problem(inlet_id: str, org_id: str | None, violations: Sequence[Violation]) -> dict[str, Any]:
    """What ``syncValidation`` says of a record that does not pass: the record is dropped."""
    first = shown(violations[0])
    if len(violations) > 1:
        first = {
            "schemaLocation": "#",
            "pointerToViolation": "#",
            "causingExceptions": [shown(one) for one in violations],
            "keyword": None,
            "message": f"{len(violations)} schema violations found",
        }
    return inlet_problem(inlet_id, org_id, "Message is invalid", cause=first)


def _parse(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _accepted(transaction: str, batch: str, positions: range, shape: Shape) -> list[dict[str, Any]]:
    stem = f"{batch}:" if shape == "documented" else f"{transaction}-"
    return [{"xactionId": f"{stem}{position}"} for position in positions]


def _singled_out(faults: ItemFailures, identifier: str, counted: int) -> bool:
    if faults.ids is not None and identifier in faults.ids:
        return True
    return faults.every is not None and counted % faults.every == 0


def _cause(reason: str, synchronous: bool) -> dict[str, Any] | None:
    """The violation as ``syncValidation`` reports it."""
    if not synchronous or not reason.startswith("#"):
        return None
    pointer, _, message = reason.partition(": ")
    keyword = "required" if "required key" in message else "format"
    return {
        "schemaLocation": "#",
        "pointerToViolation": pointer,
        "causingExceptions": [],
        "keyword": keyword,
        "message": message,
    }
