"""Requests of the streaming collection API: the envelope of one event and the body of a batch, as bytes.

Everything about an envelope but the event is constant for one destination, so it is encoded once and is what joins the
events of a request: an event is encoded alone and copied once, into its request's body. Shapes: Adobe Experience Platform, "Send multiple messages in a single HTTP request" (batch) and
"Stream time series data" (``header``, ``body.xdmMeta``, ``body.xdmEntity``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from bridge.model.verdicts import Rejected, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

CONTENT_TYPE = "application/vnd.adobe.xed-full+json;version=1"
"""Media type of a schema reference: full schema, extended, major version 1."""

_BATCH_HEAD = b'{"messages":['
_BATCH_TAIL = b"]}"


@dataclass(frozen=True, slots=True)
class Envelope:
    """The bytes around an event; both empty for raw payloads, which travel as they are.

    ``max_request_bytes`` bounds the body that would carry an event alone. A request of n events is ``frame_bytes``, the
    events' own bytes and n - 1 times ``len(separator)``.
    """

    head: bytes
    tail: bytes
    max_request_bytes: int
    frame_bytes: int = field(init=False)
    separator: bytes = field(init=False)
    _first: bytes = field(init=False)
    _last: bytes = field(init=False)
    _most: int = field(init=False)

    def __post_init__(self) -> None:
        first, last = _BATCH_HEAD + self.head, self.tail + _BATCH_TAIL
        object.__setattr__(self, "_first", first)
        object.__setattr__(self, "_last", last)
        object.__setattr__(self, "separator", self.tail + b"," + self.head)
        object.__setattr__(self, "frame_bytes", len(first) + len(last))
        object.__setattr__(self, "_most", self.max_request_bytes - self.frame_bytes)

    def encode(self, event: Mapping[str, Any]) -> bytes | Rejected:
        """The event as JSON, without its envelope; ``Rejected`` when it is not JSON or alone exceeds a request."""
        try:
            item = orjson.dumps(event)
        except TypeError as error:  # orjson: integers over 64 bits, lone surrogates, nesting over 254, other types
            return Rejected(Stage.DELIVER, "not_json", f"the event cannot be written as JSON: {error}")
        if len(item) > self._most:
            reason = (
                f"the event makes a request of {len(item) + self.frame_bytes} bytes;"
                f" {self.max_request_bytes} are allowed"
            )
            return Rejected(Stage.DELIVER, "too_large", reason)
        return item

    def single(self, item: bytes) -> bytes:
        """The body of a request to the endpoint for one event."""
        return b"".join((self.head, item, self.tail))

    def batch(self, items: Sequence[bytes]) -> bytes:
        """``{"messages": [...]}`` of one or more encoded events; each byte is copied once."""
        pieces = [*items]
        pieces[0] = self._first + pieces[0]
        pieces[-1] += self._last
        return self.separator.join(pieces)


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
