"""One failed record: the event in it, and why AEP refused it after its 200.

The event stands in ``body.xdmEntity`` (XDM) or is the ``body`` (a dataflow with a mapping); body and record may be JSON inside a
text, and a record of the error diagnostics has its line in ``_corrupt_record`` (AEP docs: ingestion/quality/streaming-validation,
ingestion/quality/error-diagnostics; aepp, ``decodeStreamBatch``).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from bridge.adobe.data_access import failed_files, failed_lines
from bridge.adobe.failed_records import CODE, named_reasons, opened
from bridge.adobe.refusals import PlatformError
from bridge.model.dead_letter import pointer_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bridge.adobe.client import PlatformClient

NO_CODE: Final = "no_code"
"""Stands where AEP names no code."""
_ENVELOPE: Final = frozenset({"header", "body", "_errors", "_filename"})
_IDS: Final = ("_id", "id", "event_uuid")
_MOST_DEPTH: Final = 24
_ID_IN_TEXT: Final = re.compile(rb'\\*"_id\\*"\s*:\s*\\*"([^"\\]{1,200})')


@dataclass(frozen=True, slots=True)
class RefusedRecord:
    """See the module.

    ``digest`` names the record among those of its batch: copies of one event are one. ``identifier`` is the event's own id, None
    where it has none. ``value`` is the event as JSON, or the line as it came where no event can be read in it (``event`` is
    None then). ``is_xdm``: it stood in an envelope of XDM. ``field`` is a path with dots, "" where the reason names none.
    """

    digest: str
    identifier: str | None
    value: bytes
    event: dict[str, Any] | None
    is_xdm: bool
    code: str
    field: str
    reason: str


def read_record(line: bytes) -> RefusedRecord:
    """Read one line of a batch's failed files, whatever its form; never raises."""
    event, is_xdm = _event_in(line)
    value = digest = line
    if event is not None:
        try:
            value, digest = orjson.dumps(event), orjson.dumps(event, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # what is nested too deeply can be read, but not be written again
            event = None
    named = named_reasons(line)
    reason = "; ".join(named) or "AEP names no reason"
    code = next((found[0] for one in named if (found := CODE.search(one))), NO_CODE)
    return RefusedRecord(
        digest=hashlib.sha256(digest).hexdigest()[:32],
        identifier=_identifier(line, event),
        value=value,
        event=event,
        is_xdm=is_xdm,
        code=code,
        field=pointer_in(reason),
        reason=reason,
    )


async def records_of(client: PlatformClient, batch_id: str) -> AsyncIterator[RefusedRecord]:
    """Every failed record of a batch, in an order that stays; none where AEP no longer has the files. Raises as the client does."""
    try:
        files = await failed_files(client, batch_id)
        for file in sorted(files):
            async for line in failed_lines(client, batch_id, file):
                yield read_record(line)
    except PlatformError as error:
        # Whoever counts sees that records are missing.
        if error.status != 404:
            raise


def _event_in(line: bytes) -> tuple[dict[str, Any] | None, bool]:
    try:
        value = opened(orjson.loads(line))
    except orjson.JSONDecodeError:
        return None, False
    for _ in range(_MOST_DEPTH):
        if not isinstance(value, dict):
            break
        if "_corrupt_record" in value:
            value = opened(value["_corrupt_record"])
        elif isinstance(entity := opened(value.get("xdmEntity")), dict):
            return entity, True
        elif "body" in value and value.keys() <= _ENVELOPE:
            value = opened(value["body"])
        else:
            event = {key: one for key, one in value.items() if key not in ("_errors", "_filename")}
            return event or None, False
    return None, False


def _identifier(line: bytes, event: dict[str, Any] | None) -> str | None:
    if event is None:
        found = _ID_IN_TEXT.search(line)
        return None if found is None else found[1].decode(errors="replace")
    for name in _IDS:
        if isinstance(one := event.get(name), str | int) and not isinstance(one, bool) and one != "":
            return str(one)
    return None
