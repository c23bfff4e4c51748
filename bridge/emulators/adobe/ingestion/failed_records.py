"""How a failed record is written into the file of its batch: every form of ``_errors`` that was seen or documented.

Sources: BatchBlaster's output of real failed batches; AEP docs, ingestion/quality/streaming-validation and
ingestion/quality/error-diagnostics; aepp, ``decodeStreamBatch``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.emulators.adobe.ingestion.validation import Violation

FORMS: Final = ("codes", "violations", "list", "text", "escaped", "corrupt")


def failed_line(message: Mapping[str, Any], violations: Sequence[Violation], form: str, kind: str) -> bytes:
    """One line (without its end). ``form`` is one of :data:`FORMS`, ``kind`` the list of a validation (``_streamingValidation``)."""
    told = [{"code": one.code, "message": one.told} for one in violations]
    if form == "corrupt":
        text = orjson.dumps(message).decode()
        return orjson.dumps({"_corrupt_record": text, "_errors": told, "_filename": "part-00000.json"})
    errors: Any = {kind: told}
    if form == "violations":
        errors = {
            kind: [
                {
                    "code": violations[0].code,
                    "message": f"{len(violations)} schema violations found",
                    "_validationErrors": [shown(one) for one in violations],
                }
            ]
        }
    elif form == "list":
        errors = told
    if form == "escaped":
        # Body first and header next, as aepp's decodeStreamBatch finds the ends of the strings.
        texts = {name: orjson.dumps(message.get(name, {})).decode() for name in ("body", "header")}
        return orjson.dumps(texts | {"_errors": orjson.dumps(errors).decode()})
    if form == "text":
        errors = orjson.dumps(errors).decode()
    return orjson.dumps({**message, "_errors": errors})


def shown(violation: Violation) -> dict[str, Any]:
    """A violation as the synchronous answer and ``_validationErrors`` give it."""
    return {
        "schemaLocation": "#",
        "pointerToViolation": violation.pointer,
        "causingExceptions": [],
        "keyword": violation.keyword,
        "message": violation.message,
    }
