"""The specs that a streaming connection needs, and the errors of Flow Service."""

from __future__ import annotations

import uuid
from typing import Any, Final

from bridge.emulators.adobe.platform.calls import Refused, Reply

BASE: Final = "/data/foundation/flowservice"
STREAMING: Final = "bc7b00d6-623a-4dfc-9fdb-f1240aeadaeb"
DATA_LAKE: Final = "c604ff05-7f1a-43c0-8e18-33bf874cb11c"
WITH_MAPPING: Final = "c1a19761-d2c7-4702-b9fa-fe91f0613e81"
WITHOUT_MAPPING: Final = "d8a6f005-7eaf-4153-983e-e8574508b877"
PROVIDER: Final = "521eee4d-8cbe-4906-bb48-fb6bd4450033"

CONNECTION_SPECS: Final[tuple[dict[str, Any], ...]] = (
    {
        "id": STREAMING,
        "name": "Streaming Connection",
        "providerId": PROVIDER,
        "version": "1.0",
        "type": "STREAMING",
        "authSpec": [
            {
                "name": "Streaming Connection",
                "type": "Streaming_Connection",
                "spec": {
                    "type": "object",
                    "properties": {
                        "sourceId": {"type": "string"},
                        "dataType": {"type": "string", "enum": ["raw", "xdm"]},
                        "name": {"type": "string"},
                        "authenticationRequired": {"type": "boolean"},
                    },
                    "required": ["dataType"],
                },
            }
        ],
        "attributes": {"isSource": True, "category": "Streaming"},
    },
    {
        "id": DATA_LAKE,
        "name": "datalake",
        "providerId": "0ed90a81-07f4-4586-8190-b40eccef1c5a",
        "version": "1.0",
        "type": "TARGET",
        "attributes": {"isSource": False, "category": "Adobe"},
    },
)

FLOW_SPECS: Final[tuple[dict[str, Any], ...]] = (
    {
        "id": WITH_MAPPING,
        "name": "Steam data with transformation",
        "providerId": PROVIDER,
        "version": "1.0",
        "sourceConnectionSpecIds": [STREAMING],
        "targetConnectionSpecIds": [DATA_LAKE],
        "transformationSpecs": [
            {
                "name": "Mapping",
                "spec": {
                    "type": "object",
                    "properties": {"mappingId": {"type": "string"}, "mappingVersion": {"type": "string"}},
                },
            }
        ],
    },
    {
        "id": WITHOUT_MAPPING,
        "name": "Stream data without transformation",
        "providerId": PROVIDER,
        "version": "1.0",
        "sourceConnectionSpecIds": [STREAMING],
        "targetConnectionSpecIds": [DATA_LAKE],
        "transformationSpecs": [],
    },
)


def refused(number: int, status: int, detail: str, *, title: str = "Bad Request") -> Refused:
    """A refusal of Flow Service: the tables print ``1439``, bodies carry ``FLOW-1439-404``."""
    return Refused(
        Reply(
            status,
            {
                "type": f"https://ns.adobe.com/aep/errors/FLOW-{number}-{status}",
                "title": title,
                "status": status,
                "report": {"tenantInfo": {}, "additionalContext": {}, "requestId": str(uuid.uuid4())},
                "detail": detail,
                "errorMessage": detail,
                "errorDetails": detail,
            },
        )
    )
