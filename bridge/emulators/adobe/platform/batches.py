"""Catalog's batches (``/data/foundation/catalog/batches``, ``/lastBatches``).

Sources: OpenAPI catalog; AEP docs, catalog/api/filter-data and ingestion/quality/retrieve-failed-batches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.emulators.adobe.ingestion.dataset import Dataset
from bridge.emulators.adobe.platform.calls import Reply
from bridge.emulators.adobe.platform.catalog_pages import catalog_error, listed
from bridge.emulators.adobe.platform.datasets import BASE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.emulators.adobe.ingestion.batch import Batch
    from bridge.emulators.adobe.platform.calls import Call, Route
    from bridge.emulators.adobe.platform.sandbox import Sandbox


def routes() -> Iterator[Route]:
    """The routes of this API."""
    yield "GET", f"{BASE}/batches", _list
    yield "GET", f"{BASE}/batches/{{id}}", _look_up
    yield "GET", f"{BASE}/lastBatches", _last


def batches_of(sandbox: Sandbox, dataset_id: str | None = None) -> Iterator[Batch]:
    """The batches of a dataset, or of all."""
    for identifier, store in sandbox.stores.items():
        if dataset_id in (None, identifier) and isinstance(store, Dataset):
            yield from store.batches.values()


def found_batch(call: Call) -> Batch:
    """The batch that the path names."""
    found = next((one for one in batches_of(call.sandbox) if one.identifier == call.parts["id"]), None)
    if found is None:
        raise catalog_error("CATALOG-1404-404", f"The batch {call.parts['id']} is not found", 404)
    return found


def _shown(call: Call, batch: Batch) -> dict[str, Any]:
    return batch.shown(
        metrics=call.sandbox.oddities.batch_metrics, org_id=call.sandbox.org_id, sandbox=call.sandbox.name
    )


def _list(call: Call) -> Reply:
    status = call.one("status")
    wanted = None if status is None else status.split(",")
    rows = {
        one.identifier: _shown(call, one)
        for one in batches_of(call.sandbox, call.one("dataSet"))
        if wanted is None or one.status in wanted
    }
    return listed(call, rows, lambda _: True)


def _look_up(call: Call) -> Reply:
    found = found_batch(call)
    return Reply(200, {found.identifier: _shown(call, found)})


def _last(call: Call) -> Reply:
    newest: dict[str, Batch] = {}
    for one in batches_of(call.sandbox, call.one("dataSetId")):
        newest[one.dataset_id] = one
    return Reply(200, {one.identifier: _shown(call, one) for one in newest.values()})
