"""Mapping sets as files: a header-tolerant CSV or the Data Prep API's JSON, read into one model. Nothing is evaluated here."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from bridge.mapping.sets.csv_form import read_csv
from bridge.mapping.sets.findings import Finding, MappingRefused
from bridge.mapping.sets.json_form import read_json
from bridge.mapping.sets.mapping_set import MappingSet

_MAX_FILE_BYTES: Final = 16_000_000


def load_mapping_set(path: Path | str) -> MappingSet:
    """The mapping set in a CSV or JSON file. Raises ``MappingRefused`` (a ``MappingError``) with every finding."""
    where = Path(path)
    try:
        with where.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise MappingRefused([_file(f"cannot read {where}: {error.strerror or error}", "unreadable")]) from None
    return read_mapping_set(content, path=where)


def read_mapping_set(content: bytes, *, path: Path | None = None) -> MappingSet:
    """The same from bytes; JSON when it begins like JSON (or the name ends in ``.json``), else CSV."""
    if len(content) > _MAX_FILE_BYTES:
        raise MappingRefused([_file(f"a mapping set has at most {_MAX_FILE_BYTES} bytes", "too_large")])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        fix = "save it as UTF-8; a spreadsheet calls that CSV UTF-8"
        raise MappingRefused([Finding(line, "file", "not_utf8", "the file is not UTF-8", fix=fix)]) from None
    findings: list[Finding] = []
    is_json = text.lstrip()[:1] in ("{", "[") or (path is not None and path.suffix.lower() == ".json")
    rows, extra = read_json(text, findings) if is_json else read_csv(text, findings)
    if not rows and not any(finding.severity == "error" for finding in findings):
        findings.append(_file("the mapping set has no rows", "no_rows"))
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        raise MappingRefused(errors)
    return MappingSet(tuple(rows), hashlib.sha256(content).hexdigest(), path, extra, tuple(findings))


def _file(message: str, code: str) -> Finding:
    return Finding(0, "file", code, message)
