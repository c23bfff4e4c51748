"""Flow runs: one an hour of a streaming dataflow (``/data/foundation/flowservice/runs``).

Sources: AEP docs, dataflows/api/sort-and-filter, sources/tutorials/api/monitor; OpenAPI flow-service.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

from bridge.emulators.adobe.ingestion.dataset import Dataset
from bridge.emulators.adobe.platform.calls import Reply
from bridge.emulators.adobe.platform.flow_service.items import listed
from bridge.emulators.adobe.platform.flow_service.specs import BASE, refused

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator

    from bridge.emulators.adobe.platform.calls import Call, Route
    from bridge.emulators.adobe.platform.sandbox import Sandbox

_HOUR: Final = 3_600_000


def routes(base_url: Callable[[], str]) -> Iterator[Route]:
    """The routes of this API. ``base_url``: what links begin with."""

    def every(call: Call) -> Reply:
        return listed(call, _runs(call.sandbox, base_url()), call.all("property"))

    def one(call: Call) -> Reply:
        found = [run for run in _runs(call.sandbox, base_url()) if run["id"] == call.parts["id"]]
        if not found:
            raise refused(1439, 404, f"The run {call.parts['id']} is not found", title="Not Found")
        return Reply(200, {"items": found})

    yield "GET", f"{BASE}/runs", every
    yield "GET", f"{BASE}/runs/{{id}}", one


def _runs(sandbox: Sandbox, url: str) -> list[dict[str, Any]]:
    return [
        _run(sandbox, store, key, counts, url)
        for store in sandbox.stores.values()
        if isinstance(store, Dataset)
        for key, counts in store.hours.items()
        if key[1]
    ]


def _run(sandbox: Sandbox, store: Dataset, key: tuple[int, str], counts: Counter[str], url: str) -> dict[str, Any]:
    hour, flow_id = key
    failed, passed = counts["failed"], counts["passed"]
    status = "success" if not failed else "partialSuccess" if passed else "failed"
    batches = [
        one
        for one in store.batches.values()
        if one.failed_records and flow_id in one.flow_ids and hour <= one.created < hour + _HOUR
    ]
    errors = [{"code": code, "message": words} for one in batches for code, (words, _) in one.reasons.items()]
    title = sandbox.oddities.run_status == "title"
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{flow_id}/{hour}")),
        "flowId": flow_id,
        "createdAt": hour,
        "updatedAt": hour + _HOUR,
        "sandboxName": sandbox.name,
        "imsOrgId": sandbox.org_id,
        "metrics": {
            "durationSummary": {"startedAtUTC": hour, "completedAtUTC": min(hour + _HOUR, sandbox.now_ms())},
            "sizeSummary": {"inputBytes": sum(one.size for one in batches)},
            "recordSummary": {
                "inputRecordCount": counts["received"],
                "outputRecordCount": passed,
                "failedRecordCount": failed,
            },
            "statusSummary": {
                "status": status[0].upper() + status[1:] if title else status,
                **({"errors": errors} if errors else {}),
            },
        },
        "activities": [
            {
                "id": "streaming-activity",
                "name": "Streaming Activity",
                "fileSummary": {
                    "extensions": {
                        "manifest": {
                            "fileInfo": f"{url}/data/foundation/export/batches/{one.identifier}/meta?path=input_files"
                        }
                    }
                },
            }
            for one in batches
        ],
    }
