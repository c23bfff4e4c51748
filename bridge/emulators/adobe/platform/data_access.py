"""Data Access (``/data/foundation/export``): files of failed batches, their diagnostics, files and preview of what passed.

Adobe writes what passed as Parquet; here it is one JSON document a line, and only the first rows of the newest batches.
Sources: OpenAPI data-access; AEP docs, ingestion/quality/retrieve-failed-batches and error-diagnostics.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import orjson

from bridge.emulators.adobe.ingestion.dataset import Dataset
from bridge.emulators.adobe.platform.batches import batches_of, found_batch
from bridge.emulators.adobe.platform.calls import Refused, Reply, problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bridge.emulators.adobe.ingestion.batch import Batch
    from bridge.emulators.adobe.platform.calls import Call, Handler, Route

BASE: Final = "/data/foundation/export"
_MOST: Final = 100
_SAMPLE: Final = 100
_FILE: Final = "-file"
_RANGE: Final = re.compile(r"bytes=(\d+)-(\d*)")


def routes(base_url: Callable[[], str]) -> Iterator[Route]:
    """The routes of this API. ``base_url``: what links begin with."""

    def bound(answer: Callable[[Call, str], Reply]) -> Handler:
        return lambda call: answer(call, base_url())

    yield "GET", f"{BASE}/batches/{{id}}/failed", bound(_failed)
    yield "GET", f"{BASE}/batches/{{id}}/meta", bound(_meta)
    yield "GET", f"{BASE}/batches/{{id}}/files", bound(_files)
    yield "GET", f"{BASE}/files/{{id}}", bound(_file)
    yield "GET", f"{BASE}/datasets/{{id}}/preview", _preview


def _missing(what: str) -> Refused:
    return Refused(Reply(404, problem("aep", "DATAACCESS-404", 404, f"{what} is not found", title="Not Found")))


def _failed(call: Call, url: str) -> Reply:
    batch = found_batch(call)
    parts = {"_SUCCESS": b""} | {name: _joined(lines) for name, lines in batch.parts().items()}
    return _directory(call, url, parts if batch.lines else {})


def _joined(lines: Sequence[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def _directory(call: Call, url: str, files: Mapping[str, bytes], *, folders: Sequence[str] = ()) -> Reply:
    """A list of files, or the one that ``path`` names."""
    path = call.one("path")
    if path is not None:
        if path not in files:
            raise _missing(f"The file {path}")
        return _content(call, files[path])
    limit, start = call.number("limit", _MOST, least=1, most=_MOST), call.number("start", 0)
    rows = [(name, "0") for name in folders] + [(name, str(len(content))) for name, content in files.items()]
    page = rows[start : start + limit]
    data = [
        {
            "name": name,
            "length": length,
            "_links": {"self": {"href": f"{url}{call.path}?{urlencode({'path': name})}"}},
        }
        for name, length in page
    ]
    document: dict[str, Any] = {"data": data, "_page": {"limit": limit, "count": len(page)}}
    if start + limit < len(rows):
        following = f"{url}{call.path}?{urlencode({'start': start + limit, 'limit': limit})}"
        document["_page"]["next"] = str(start + limit)
        document["_links"] = {"next": {"href": following}}
    return Reply(200, document)


def _content(call: Call, content: bytes) -> Reply:
    wanted = _RANGE.fullmatch(call.headers.get("Range", ""))
    if wanted is None:
        return Reply(200, content, {"Accept-Ranges": "bytes"}, content_type="application/octet-stream")
    first, last = int(wanted[1]), min(int(wanted[2] or len(content)), len(content) - 1)
    if first > last:
        raise Refused(Reply(416, problem("aep", "DATAACCESS-416", 416, "The range cannot be satisfied")))
    headers = {"Accept-Ranges": "bytes", "Content-Range": f"bytes {first}-{last}/{len(content)}"}
    return Reply(206, content[first : last + 1], headers, content_type="application/octet-stream")


def _meta(call: Call, url: str) -> Reply:
    batch = found_batch(call)
    dataset = call.sandbox.datasets.get(batch.dataset_id)
    if not batch.lines or (dataset is not None and not dataset.get("enableErrorDiagnostics")):
        return _directory(call, url, {})
    errors = _row_errors(batch)
    path = call.one("path")
    sample = b"".join(errors.values()).split(b"\n")[:_SAMPLE]
    if path in ("row_errors", "input_files"):
        files = errors if path == "row_errors" else {}
        data = [
            {
                "name": name,
                "length": str(len(content)),
                "_links": {"self": {"href": f"{url}{call.path}?{urlencode({'path': f'{path}/{name}'})}"}},
            }
            for name, content in files.items()
        ]
        return Reply(200, {"data": data, "_page": {"limit": _MOST, "count": len(data)}})
    every = {"row_errors_sample.json": b"\n".join(sample)} | {f"row_errors/{name}": one for name, one in errors.items()}
    if path is not None:
        return _directory(call, url, every)
    return _directory(
        call, url, {"row_errors_sample.json": every["row_errors_sample.json"]}, folders=("row_errors", "input_files")
    )


def _row_errors(batch: Batch) -> dict[str, bytes]:
    """The diagnostics of every failed record; those of a mapping are conversion errors."""
    lines: list[bytes] = []
    for name, part in batch.parts().items():
        for line in part:
            told = batch.told[len(lines)]
            lines.append(
                orjson.dumps({"_corrupt_record": line.decode(), "_errors": orjson.loads(told), "_filename": name})
            )
    kind = "conversion" if batch.mapper_failures else "parsing"
    return {f"{kind}_errors_0.json": _joined(lines)}


def _files(call: Call, url: str) -> Reply:
    batch = found_batch(call)
    row = {
        "dataSetFileId": batch.identifier + _FILE,
        "dataSetViewId": batch.dataset_id,
        "version": "1.0.0",
        "created": str(batch.created),
        "updated": str(batch.completed),
        "isValid": False,
        "_links": {"self": {"href": f"{url}{BASE}/files/{batch.identifier}{_FILE}"}},
    }
    data = [row] if batch.passed else []
    return Reply(200, {"data": data, "_page": {"limit": _MOST, "count": len(data)}})


def _file(call: Call, url: str) -> Reply:
    identifier = call.parts["id"].removesuffix(_FILE)
    batch = next((one for one in batches_of(call.sandbox) if one.identifier == identifier), None)
    if batch is None:
        raise _missing(f"The file {call.parts['id']}")
    return _directory(call, url, {f"part-00000-{identifier.lower()}.json": _joined(batch.rows)})


def _preview(call: Call) -> Reply:
    identifier = call.parts["id"]
    store = call.sandbox.stores.get(identifier)
    if not isinstance(store, Dataset):
        if identifier not in call.sandbox.datasets:
            raise _missing(f"The dataset {identifier}")
        return Reply(200, {"data": []})
    return Reply(200, {"data": [orjson.loads(row) for row in store.preview]})
