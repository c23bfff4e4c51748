"""What tests, chaos runs and the demo ask of the datasets (``GET /dataset``); Adobe has nothing like it."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.emulators.adobe.ingestion.dataset import Dataset
    from bridge.emulators.adobe.platform.ingesting import Ingestion

KINDS: Final = ("ingested", "failed", "queued", "vanished")


def datasets(ingestion: Ingestion, dataset_id: str | None) -> dict[str, Any]:
    """Counts over all datasets (or one), and those of each."""
    found = {store.identifier: store.summary() for _, store in ingestion.stores()}
    if dataset_id is not None:
        found = {one: counts for one, counts in found.items() if one == dataset_id}
    names = ("ingested", "ingested_ids", "failed", "failed_ids", "queued", "vanished")
    return {name: sum(one[name] for one in found.values()) for name in names} | {
        "enabled": ingestion.limits.enabled,
        "datasets": found,
    }


def dataset_page(ingestion: Ingestion, dataset_id: str | None, kind: str, offset: int, limit: int) -> dict[str, Any]:
    """``ids`` of one kind, and ``next_offset`` while there are more. Raises ``ValueError`` for an unknown kind."""
    if kind not in KINDS:
        raise ValueError(f"ids is one of {', '.join(KINDS)}")
    stores = [store for _, store in ingestion.stores() if dataset_id in (None, store.identifier)]
    found = (identifier for store in stores for identifier in _ids(store, kind))
    rows = [*islice(found, offset, offset + limit + 1)]
    return {"ids": rows[:limit], "next_offset": offset + limit if len(rows) > limit else None}


def _ids(store: Dataset, kind: str) -> Iterable[str]:
    if kind == "ingested":
        return store.ingested
    if kind == "failed":
        return store.failed
    return store.queued_ids() if kind == "queued" else store.vanished_ids
