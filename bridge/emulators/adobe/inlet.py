"""What a streaming connection expects of a message, and the words it refuses one with.

Checks and words: Adobe, "Send multiple messages in a single HTTP request", "Retrieve failed batches" and "Streaming
validation". What AEP checks only later (XDM types, identities) is not checked here, but ``_id`` and ``timestamp`` are: an
event without them cannot become an ExperienceEvent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Literal

UNKNOWN_FORMAT = "Message has unknown xdm format"
WRONG_ORG = "Message has an absent or wrong ims org in the header"
NO_HEADER = "The 'header' field is mandatory. Provide a valid 'header' value and try again."
NO_BODY = "The 'body' field is mandatory. Provide a valid 'body' value and try again."
NO_ENTITY = "Payload body is missing xdmEntity"
NO_SOURCE = "Payload header is missing Source Name"
NO_FLOW = "The 'x-adobe-flow-id' header is mandatory for raw payloads"

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", flags=re.ASCII)


@dataclass(frozen=True, slots=True)
class Inlet:
    """A streaming connection; a value of ``None`` means any, but the field must be there."""

    payload: Literal["xdm", "raw"] = "xdm"
    authenticated: bool = True
    inlet_id: str | None = None
    org_id: str | None = None
    schema_id: str | None = None
    dataset_id: str | None = None
    flow_id: str | None = None


EXAMPLE = Inlet(
    inlet_id="0123456789abcdef" * 4,
    org_id="0123456789ABCDEF01234567@AdobeOrg",
    schema_id="https://ns.adobe.com/yourorgname/schemas/0123456789abcdef",
    dataset_id="0123456789abcdef01234567",
    flow_id="01234567-89ab-cdef-0123-456789abcdef",
)
"""What the emulator is when nobody says otherwise."""


class Checker:
    """Checks the messages of one request; the header that was found right last is not taken apart again."""

    def __init__(self, inlet: Inlet) -> None:
        self._inlet = inlet
        self._right: tuple[Mapping[str, Any], Any] | None = None

    def event_of(self, message: Any) -> tuple[str, Mapping[str, Any]] | str:
        """The id and the event of a message, or why it is refused."""
        if not isinstance(message, dict):
            return UNKNOWN_FORMAT
        if self._inlet.payload == "raw":
            return _identified(message, ("_id", "id", "event_uuid"))
        header, body = message.get("header"), message.get("body")
        if not isinstance(header, dict) or not header:
            return NO_HEADER
        if not isinstance(body, dict) or not body:
            return NO_BODY
        meta = body.get("xdmMeta")
        if (header, meta) != self._right:
            wrong = self._wrong(header, meta)
            if wrong is not None:
                return wrong
            self._right = (header, meta)
        entity = body.get("xdmEntity")
        if not isinstance(entity, dict) or not entity:
            return NO_ENTITY
        timestamp = entity.get("timestamp")
        if not isinstance(timestamp, str):
            return "#: required key [timestamp] not found"
        if not _TIMESTAMP.fullmatch(timestamp):
            return "#/timestamp: format date-time does not match"
        return _identified(entity, ("_id",))

    def _wrong(self, header: Mapping[str, Any], meta: Any) -> str | None:
        inlet = self._inlet
        org = header.get("imsOrgId")
        if not isinstance(org, str) or (inlet.org_id is not None and org != inlet.org_id):
            return WRONG_ORG
        schema = header.get("schemaRef")
        if not _is_schema(schema) or not isinstance(meta, dict) or meta.get("schemaRef") != schema:
            return UNKNOWN_FORMAT
        if inlet.schema_id is not None and schema["id"] != inlet.schema_id:
            return UNKNOWN_FORMAT
        for key, expected in (("datasetId", inlet.dataset_id), ("flowId", inlet.flow_id)):
            if not isinstance(header.get(key), str) or (expected is not None and header[key] != expected):
                return f"The '{key}' of the message header is absent or does not belong to this connection"
        source = header.get("source")
        return None if isinstance(source, dict) and source.get("name") else NO_SOURCE


def _is_schema(schema: Any) -> TypeGuard[dict[str, Any]]:
    return (
        isinstance(schema, dict)
        and isinstance(schema.get("id"), str)
        and isinstance(schema.get("contentType"), str)
        and schema["contentType"].startswith("application/vnd.adobe.xed")
    )


def _identified(event: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[str, Mapping[str, Any]] | str:
    for key in keys:
        identifier = event.get(key)
        if isinstance(identifier, str) and identifier:
            return identifier, event
    return f"#: required key [{keys[0]}] not found"
