"""Data Access (``/data/foundation/export``): files of failed batches, the first rows of a dataset; and Profile's lookup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson

from bridge.adobe.client import segment
from bridge.adobe.pages import MOST_PAGES, Document, Unreadable, an_object, objects, text
from bridge.adobe.refusals import PlatformError

if TYPE_CHECKING:
    from bridge.adobe.client import PlatformClient

BASE: Final = "/data/foundation/export"
ENTITIES: Final = "/data/core/ups/access/entities"
_LIMIT: Final = 100
MOST_FILE_BYTES: Final = 256_000_000
"""Of one file with failed records: at a wrong schema every record of a quarter of an hour is in it."""
PREVIEW_ROWS: Final = 100
"""Rows that a preview has at most."""


async def failed_files(client: PlatformClient, batch_id: str) -> list[str]:
    """The names of the files with a batch's failed records; markers such as ``_SUCCESS`` are left out."""
    found: list[str] = []
    for page in range(MOST_PAGES):
        answer = await client.get(
            f"{BASE}/batches/{segment(batch_id)}/failed",
            [("limit", str(_LIMIT)), ("start", str(page * _LIMIT))],
        )
        results = objects(an_object(answer.document, "the failed files of a batch").get("data", []), "the failed files")
        found += [name for one in results if (name := text(one, "name")) and not name.startswith("_")]
        if len(results) < _LIMIT:
            return found
    raise Unreadable("the list of failed files has no end")


async def failed_lines(client: PlatformClient, batch_id: str, file: str) -> list[bytes]:
    """The lines of one file: a JSON document each."""
    answer = await client.get(
        f"{BASE}/batches/{segment(batch_id)}/failed",
        [("path", file)],
        headers={"Accept": "*/*"},
        most_bytes=MOST_FILE_BYTES,
    )
    return [line for line in answer.body.split(b"\n") if line.strip()]


async def preview(client: PlatformClient, dataset_id: str) -> list[Document]:
    """Up to 100 rows of the dataset, in no order."""
    answer = await client.get(f"{BASE}/datasets/{segment(dataset_id)}/preview")
    rows = an_object(answer.document, "the preview of the dataset").get("data", [])
    # Rows come as objects, or as texts that hold one.
    return [
        row for row in (orjson.loads(one) if isinstance(one, str) else one for one in rows) if isinstance(row, dict)
    ]


async def has_profile(client: PlatformClient, namespace: str, identity: str, dataset_id: str) -> bool:
    """Whether Profile knows the identity from this dataset. Raises ``PlatformError`` 403 without Real-Time CDP Ultimate."""
    params = [("schema.name", "_xdm.context.profile"), ("entityId", identity), ("entityIdNS", namespace)]
    try:
        found = an_object((await client.get(ENTITIES, params)).document, "the profile")
    except PlatformError as error:
        if error.status == 404:
            return False
        raise
    # An unknown identity may be answered with an empty entity of 1970, which names no dataset.
    return any(isinstance(one, dict) and dataset_id in (one.get("sources") or []) for one in found.values())
