"""The collection service: one event or a batch in, the documented answer out."""

from __future__ import annotations

import time
import uuid
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from bridge.emulators.adobe.inlet import NO_FLOW, UNKNOWN_FORMAT, Checker, Inlet
from bridge.emulators.adobe.problems import authorization_problem, edge_problem, inlet_problem, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.emulators.adobe.faults import Faults, ItemFailures, Shape
    from bridge.emulators.adobe.ims import Ims
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
    """Checks, stores and answers; knows nothing of HTTP beyond names of headers."""

    def __init__(
        self, inlet: Inlet, ims: Ims, received: Received, faults: Faults, *, max_bytes: int, sync_validation: bool
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

    def refuse(self, inlet_id: str, headers: Mapping[str, str], query: Mapping[str, str], size: int) -> Answer | None:
        """What is wrong with the request before its body is read."""
        inlet = self.inlet
        if inlet.inlet_id is not None and inlet_id != inlet.inlet_id:
            return Answer(404, edge_problem("0003", 404, "Not found", "There is no such streaming connection"))
        if inlet.authenticated:
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
        if inlet.payload == "raw":
            flow = headers.get("x-adobe-flow-id") or query.get("x-adobe-flow-id")
            if not flow or (inlet.flow_id is not None and flow != inlet.flow_id):
                return Answer(400, inlet_problem(inlet_id, inlet.org_id, NO_FLOW))
        return None

    def batch(self, inlet_id: str, body: bytes) -> Answer:
        """``POST /collection/batch/{id}``."""
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
            responses = self._each(inlet_id, messages, transaction, batch, shape)
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

    def single(self, inlet_id: str, body: bytes, *, synchronous: bool) -> Answer:
        """``POST /collection/{id}``, with ``syncValidation`` if asked for."""
        if synchronous:
            if not self._sync_validation:
                return Answer(501, edge_problem("0001", 501, "Not implemented", "syncValidation is not supported here"))
            if not self._within_sync_rate():
                return Answer(429, edge_problem("0108", 429, "Too many requests", "60 a minute with syncValidation"))
        message = _parse(body)
        found = Checker(self.inlet).event_of(message)
        if isinstance(found, str):
            self._received.rejected += 1
            return Answer(400, inlet_problem(inlet_id, self.inlet.org_id, found, cause=_cause(found, synchronous)))
        self._received.bytes += len(body)
        self._received.add(*found)
        validation = {"status": "pass"} if synchronous else {"skipped": True}
        now = time.time_ns() // 1_000_000
        transaction = self._next_batch()
        return Answer(
            200, {"inletId": inlet_id, "xactionId": transaction, "receivedTimeMs": now, "syncValidation": validation}
        )

    def _each(
        self, inlet_id: str, messages: Sequence[Any], transaction: str, batch: str, shape: Shape
    ) -> list[dict[str, Any]]:
        faults = self._faults.strike(self._faults.item_failures)
        checker, received = Checker(self.inlet), self._received
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
