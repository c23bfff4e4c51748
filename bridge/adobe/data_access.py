"""Data Access (``/data/foundation/export``): files of failed batches, the first rows of a dataset; and Profile's lookup."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import orjson

from bridge.adobe.client import segment
from bridge.adobe.pages import MOST_PAGES, Document, Unreadable, an_object, objects, text
from bridge.adobe.refusals import PlatformError
from bridge.destinations.http.exchange import Piece

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from bridge.adobe.client import PlatformClient

BASE: Final = "/data/foundation/export"
ENTITIES: Final = "/data/core/ups/access/entities"
_LIMIT: Final = 100
PIECE_BYTES: Final = 8_000_000
"""Of a file with failed records at once: at a wrong schema every record of a quarter of an hour is in it."""
MOST_LINE_BYTES: Final = 32_000_000
"""Of one failed record; AEP takes requests of 1 MB."""
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


async def failed_lines(client: PlatformClient, batch_id: str, file: str) -> AsyncIterator[bytes]:
    """The lines of one file, a JSON document each; it is read piece by piece, so that no file is too large."""
    path, start, rest = f"{BASE}/batches/{segment(batch_id)}/failed", 0, b""
    while True:
        try:
            answer = await client.get(
                path, [("path", file)], headers={"Accept": "*/*"}, piece=Piece(start, PIECE_BYTES)
            )
        except PlatformError as error:
            if error.status == 416 and start:  # the piece before ended with the file
                break
            raise
        start += len(answer.body)
        *lines, rest = (rest + answer.body).split(b"\n")
        for line in lines:
            if line.strip():
                yield line
        if start >= _total(answer.headers) or (answer.status != 206 and len(answer.body) < PIECE_BYTES):
            break
        if not answer.body:
            raise Unreadable(f"a file of batch {batch_id} is truncated")
        if len(rest) > MOST_LINE_BYTES:
            raise Unreadable(f"a failed record of batch {batch_id} has more than {MOST_LINE_BYTES} bytes")
    if rest.strip():
        yield rest


def _total(headers: Mapping[str, str]) -> float:
    """How large the whole file is, where an answer with a part of it says so."""
    total = headers.get("content-range", "").rpartition("/")[2]
    return int(total) if total.isdecimal() else math.inf


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
