"""Golden cases of a mapping set: an event and the ExperienceEvent, or the rejection, that must come of it.

A directory holds, for each case NAME, ``NAME.event.json`` (whatever its source sends) and either ``NAME.expected.json`` (the
XDM; an array when the envelope holds several events, a rejected one among them as ``{"rejected": {...}}``) or
``NAME.rejected.json`` (``{"stage": ..., "code": ...}``). ``settings.json`` beside them may fix ``tenant``,
``primary_identity`` (list), ``placeholders``, ``now`` (the instant that ``now()`` reads), ``source`` (whose events they are) and
``source_settings`` (the section of that name), so that cases mean the same everywhere.
"""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from bridge.mapping.functions import clock
from bridge.mapping.workshop.trace import Change, differences
from bridge.model.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from bridge.mapping.workshop.outcomes import NoEvent, Outcome

    Reader = Callable[[bytes], Sequence[dict[str, Any] | NoEvent]]
    """The events of a case's document in canonical form, in their order."""

_EVENT: Final = ".event.json"
_EXPECTED: Final = ".expected.json"
_REJECTED: Final = ".rejected.json"
SETTINGS: Final = frozenset(
    {"tenant", "primary_identity", "placeholders", "now", "strict", "source", "source_settings"}
)


class GoldenError(BridgeError):
    """The directory holds no usable cases."""


@dataclass(frozen=True, slots=True)
class Case:
    """One case on disk. ``expected``: as the file has it; None when there is no such file yet."""

    name: str
    event: Path
    expected: Any = None


@dataclass(frozen=True, slots=True)
class Cases:
    """The cases of one directory and the settings they were written for."""

    directory: Path
    cases: Sequence[Case]
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """One case after its run: what came out (``actual``) and how that differs from what is expected."""

    case: Case
    actual: Any
    changes: Sequence[Change]
    missing: bool

    @property
    def passed(self) -> bool:
        """Whether the case holds."""
        return not self.missing and not self.changes


def load_cases(directory: Path) -> Cases:
    """The cases under ``directory``, by name. Raises :class:`GoldenError` when there is none or one cannot be read."""
    if not directory.is_dir():
        raise GoldenError(f"{directory} is not a directory")
    settings_file = directory / "settings.json"
    settings = _read(settings_file) if settings_file.exists() else {}
    if not isinstance(settings, dict) or not SETTINGS.issuperset(settings):
        raise GoldenError(f"{settings_file}: an object with any of {', '.join(sorted(SETTINGS))}")
    found = []
    for event in sorted(directory.glob(f"*{_EVENT}")):
        name = event.name.removesuffix(_EVENT)
        expected, rejected = directory / (name + _EXPECTED), directory / (name + _REJECTED)
        if expected.exists() and rejected.exists():
            raise GoldenError(f"{name}: both {expected.name} and {rejected.name} are there; keep one")
        if expected.exists():
            found.append(Case(name, event, _read(expected)))
        elif rejected.exists():
            found.append(Case(name, event, {"rejected": _read(rejected)}))
        else:
            found.append(Case(name, event))
    if not found:
        raise GoldenError(f"{directory} holds no NAME{_EVENT}")
    return Cases(directory, found, settings)


def run_cases(cases: Cases, build: Callable[[dict[str, Any]], Outcome], read: Reader) -> list[Result]:
    """Every case, read by ``read``, run through ``build``."""
    with _time(cases.settings.get("now")):
        return [_run(case, build, read) for case in cases.cases]


def update(results: Sequence[Result]) -> list[Path]:
    """Write what came out as what is expected, for cases that do not hold; the files written."""
    written = []
    for result in results:
        if result.passed:
            continue
        directory, name = result.case.event.parent, result.case.name
        rejected = result.actual.get("rejected") if isinstance(result.actual, dict) else None
        keep, drop = (_REJECTED, _EXPECTED) if rejected else (_EXPECTED, _REJECTED)
        (directory / (name + drop)).unlink(missing_ok=True)
        path = directory / (name + keep)
        text = json.dumps(rejected or result.actual, ensure_ascii=False, indent=2)
        path.write_text(text + "\n", encoding="utf-8")
        written.append(path)
    return written


def keep_settings(cases: Cases, fixed: Mapping[str, Any]) -> list[Path]:
    """Write into settings.json for which tenant and namespaces (``fixed``) the cases hold; the file, where it said otherwise."""
    wanted = {**cases.settings, **fixed}
    if wanted == cases.settings:
        return []
    path = cases.directory / "settings.json"
    path.write_text(json.dumps(wanted, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return [path]


def _time(now: Any) -> AbstractContextManager[None]:
    if now is None:
        return nullcontext()
    try:
        moment = datetime.fromisoformat(str(now))
    except ValueError:
        raise GoldenError(f"settings.json: now is an instant like 2026-01-01T00:00:00Z, not {now!r}") from None
    return clock.stopped(moment)


def _run(case: Case, build: Callable[[dict[str, Any]], Outcome], read: Reader) -> Result:
    events = read(case.event.read_bytes())
    outcomes = [_outcome(event, build) for event in events]
    actual = outcomes[0] if len(outcomes) == 1 else outcomes
    if case.expected is None:
        return Result(case, actual, (), missing=True)
    return Result(case, actual, differences(case.expected, _comparable(actual, case.expected)), missing=False)


def _outcome(event: dict[str, Any] | NoEvent, build: Callable[[dict[str, Any]], Outcome]) -> Any:
    if not isinstance(event, dict):
        return {"rejected": {"stage": "decode", "code": event.code}}
    built = build(event)
    if built.rejection is None:
        return built.xdm
    return {"rejected": {"stage": str(built.rejection.stage), "code": built.rejection.code}}


def _comparable(actual: Any, expected: Any) -> Any:
    """A rejection may be expected by its code alone."""
    if isinstance(actual, list) and isinstance(expected, list):
        return [_comparable(one, wanted) for one, wanted in zip(actual, expected, strict=False)] + actual[
            len(expected) :
        ]
    if isinstance(actual, dict) and isinstance(expected, dict) and "rejected" in actual and "rejected" in expected:
        wanted = expected["rejected"] if isinstance(expected["rejected"], dict) else {}
        return {"rejected": {key: value for key, value in actual["rejected"].items() if key in wanted or key == "code"}}
    return actual


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise GoldenError(f"{path} cannot be read: {error}") from None
