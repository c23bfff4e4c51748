"""Profile's entities API, as far as a test event is looked for: 403 without Real-Time CDP Ultimate, else what is there.

Looked through are the rows that the emulator keeps (the first of the newest batches). Sources: OpenAPI profile; AEP docs,
profile/api/entities.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from bridge.emulators.adobe.platform.batches import batches_of
from bridge.emulators.adobe.platform.calls import Refused, Reply, problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.emulators.adobe.platform.calls import Call, Route

_PATH: Final = "/data/core/ups/access/entities"
_NOWHEN: Final = "1970-01-01T00:00:00Z"


def routes() -> Iterator[Route]:
    """The routes of this API."""
    yield "GET", _PATH, _look_up
    yield "POST", _PATH, _several


def _refused(status: int, code: str, detail: str, title: str) -> Refused:
    return Refused(Reply(status, problem("aep", code, status, detail, title=title)))


def _check(call: Call) -> None:
    if call.sandbox.oddities.profile_lookup == "forbidden":
        raise _refused(403, "UPS-ACC-1000004", "The organisation is not entitled to look profiles up", "Forbidden")


def _look_up(call: Call) -> Reply:
    _check(call)
    if call.one("schema.name") == "_xdm.context.experienceevent":
        identifier, namespace = call.one("relatedEntityId"), call.one("relatedEntityIdNS")
        events = [*_events(call, str(identifier), str(namespace))]
        children = [
            {"relatedEntityId": identifier, "entityId": one["_id"], "timestamp": one.get("timestamp"), "entity": one}
            for one, _ in events
        ]
        return Reply(200, {"_page": {"orderby": "timestamp", "count": len(children)}, "children": children})
    identifier, namespace = call.one("entityId"), call.one("entityIdNS")
    if not identifier or not namespace:
        raise _refused(400, "UPACC-100001-400", "entityId and entityIdNS are required", "Bad Request")
    found = _entity(call, identifier, namespace)
    if found is None:
        raise _refused(404, "UPACC-100012-404", "The entity is not found", "Not Found")
    return Reply(200, {_xid(identifier, namespace): found})


def _several(call: Call) -> Reply:
    """A list of identities: one that is unknown gets an empty entity dated 1970 rather than an error."""
    _check(call)
    answer = {}
    for one in call.document().get("identities") or ():
        identifier = str(one.get("entityId"))
        namespace = str((one.get("entityIdNS") or {}).get("code"))
        empty = {"entityId": identifier, "sources": [], "entity": {}, "lastModifiedAt": _NOWHEN}
        answer[_xid(identifier, namespace)] = _entity(call, identifier, namespace) or empty
    return Reply(200, answer)


def _xid(identifier: str, namespace: str) -> str:
    return hashlib.sha256(f"{namespace.lower()}\0{identifier}".encode()).hexdigest()[:40]


def _entity(call: Call, identifier: str, namespace: str) -> dict[str, Any] | None:
    events = [*_events(call, identifier, namespace)]
    if not events:
        return None
    identities = {
        (code, str(item.get("id")))
        for event, _ in events
        for code, items in event["identityMap"].items()
        for item in items
    }
    last = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "entityId": _xid(identifier, namespace),
        "sources": sorted({dataset for _, dataset in events}),
        "entity": {"identities": [{"namespace": {"code": code}, "id": one} for code, one in sorted(identities)]},
        "lastModifiedAt": last,
    }


def _events(call: Call, identifier: str, namespace: str) -> Iterator[tuple[dict[str, Any], str]]:
    for batch in batches_of(call.sandbox):
        for row in batch.rows:
            event = orjson.loads(row)
            for code, items in (event.get("identityMap") or {}).items():
                if code.lower() == namespace.lower() and any(item.get("id") == identifier for item in items):
                    yield event, batch.dataset_id
