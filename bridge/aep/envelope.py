"""Requests of the streaming collection API: the envelope of one event and the body of a batch, as bytes.

Everything about an envelope but the event is constant for one destination, so it is encoded once and spliced around
each event. Shapes: Adobe Experience Platform, "Send multiple messages in a single HTTP request" (batch) and
"Stream time series data" (``header``, ``body.xdmMeta``, ``body.xdmEntity``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from bridge.verdicts import Rejected, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

CONTENT_TYPE = "application/vnd.adobe.xed-full+json;version=1"
"""Media type of a schema reference: full schema, extended, major version 1."""

BATCH_HEAD = b'{"messages":['
BATCH_TAIL = b"]}"
FRAME_BYTES = len(BATCH_HEAD) + len(BATCH_TAIL)
SEPARATOR = b","


@dataclass(frozen=True, slots=True)
class Envelope:
    """The bytes before and after an event; both empty for raw payloads, which travel as they are.

    ``max_request_bytes`` bounds the body that would carry the event alone.
    """

    head: bytes
    tail: bytes
    max_request_bytes: int

    def encode(self, event: Mapping[str, Any]) -> bytes | Rejected:
        """The event in its envelope; ``Rejected`` when it is not JSON or alone exceeds a request."""
        try:
            item = orjson.dumps(event)
        except TypeError as error:  # orjson: integers over 64 bits, lone surrogates, nesting over 254, other types
            return Rejected(Stage.DELIVER, "not_json", f"the event cannot be written as JSON: {error}")
        if self.head:
            item = b"".join((self.head, item, self.tail))
        if len(item) + FRAME_BYTES > self.max_request_bytes:
            reason = (
                f"the event makes a request of {len(item) + FRAME_BYTES} bytes; {self.max_request_bytes} are allowed"
            )
            return Rejected(Stage.DELIVER, "too_large", reason)
        return item


def xdm_envelope(
    *,
    schema_id: str,
    org_id: str,
    dataset_id: str,
    flow_id: str | None,
    source_name: str,
    max_request_bytes: int,
) -> Envelope:
    """The envelope of an XDM payload; ``flow_id`` binds it to one dataflow where several share the inlet."""
    schema = {"id": schema_id, "contentType": CONTENT_TYPE}
    header = {
        "schemaRef": schema,
        "imsOrgId": org_id,
        "datasetId": dataset_id,
        **({"flowId": flow_id} if flow_id else {}),
        "source": {"name": source_name},
    }
    head = b'{"header":%b,"body":{"xdmMeta":%b,"xdmEntity":' % (
        orjson.dumps(header),
        orjson.dumps({"schemaRef": schema}),
    )
    return Envelope(head, b"}}", max_request_bytes)


def raw_envelope(*, max_request_bytes: int) -> Envelope:
    """No envelope: a dataflow with a mapping in AEP takes the event itself; the flow id travels as a header."""
    return Envelope(b"", b"", max_request_bytes)


def batch_body(items: Sequence[bytes]) -> bytes:
    """``{"messages": [...]}`` of encoded events."""
    return b"".join((BATCH_HEAD, SEPARATOR.join(items), BATCH_TAIL))
