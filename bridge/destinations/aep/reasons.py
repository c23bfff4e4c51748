"""One sentence for a person out of whatever AEP said in an error body.

AEP answers errors in several shapes: inlet and authorization problems (``report.message``), synchronous validation
(``report.cause._streamingValidation``), failed items (``message``), the gateway's (``error_code``, ``message``), and Edge's
RFC 7807 problems (``title``, ``detail``). All are read here, and none is trusted: identifiers are taken out (the inlet id alone
lets anyone write to an inlet without authentication).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bridge.destinations.http.reasons import CUT, LONGEST, first_text
from bridge.destinations.http.reasons import tidy as tidy_text

if TYPE_CHECKING:
    from typing import Any

_INLET = re.compile(r"^\s*inletId:\s*\[[^\]]*\]\s*imsOrgId:\s*\[[^\]]*\]\s*")


def tidy(text: str) -> str:
    """AEP's own words on one line, without identifiers, at most ``LONGEST`` characters."""
    return tidy_text(_INLET.sub("", text[:CUT]))


def reason_of(document: Any) -> str:
    """The reason that an error document gives, ``""`` when it gives none; never raises."""
    if not isinstance(document, dict):
        return ""
    report = document.get("report")
    report = report if isinstance(report, dict) else {}
    said = first_text(report.get("message"), document.get("detail"), document.get("message"))
    if not said:
        said = first_text(document.get("error_description"), document.get("title"))
    code = first_text(document.get("error_code"), document.get("error"), _exeg(document.get("type")))
    violations = _violations(report.get("cause"))
    return tidy("; ".join(part for part in (f"{code}: {said}" if code and said else code or said, violations) if part))


def _exeg(problem_type: Any) -> str:
    """``EXEG-0103-400`` from an Edge problem's type; other types only repeat the title."""
    if not isinstance(problem_type, str):
        return ""
    found = re.search(r"EXEG-\d{4}-\d{3}", problem_type[:LONGEST])
    return found.group() if found else ""


def _violations(cause: Any) -> str:
    found = cause.get("_streamingValidation") if isinstance(cause, dict) else None
    if not isinstance(found, list):
        return ""
    parts = []
    for violation in found[:5]:  # AEP itself stops after five
        if isinstance(violation, dict):
            pointer, message = first_text(violation.get("pointerToViolation")), first_text(violation.get("message"))
            parts.append(f"{pointer} {message}".strip())
    return ", ".join(part for part in parts if part)
