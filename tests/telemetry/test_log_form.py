"""What is shown of the libraries, and the form of our own lines: an event that can be searched for, and a sentence."""

from __future__ import annotations

import ast
import json
import logging
import re
from pathlib import Path

import pytest
import structlog
import test_logs

from bridge.sources.http.refusals import DETAILS

logged = test_logs.logged


def test_libraries_speak_from_warning_on(logged) -> None:
    """Starts and stops of Faust's and mode's services are left out, also those that carry the name of a module of ours."""
    stream = logged(log_format="json")
    for name in (
        "faust.tables.recovery",
        "mode.supervisors",
        "bridge.kafka.consumer.stream.app",
        "bridge.kafka.consumer.stream.transport",
        "aiokafka",
    ):
        logging.getLogger(name).info("[^--Service]: Starting...")
        logging.getLogger(name).warning("told by %s", name)
    structlog.get_logger("bridge.kafka.consumer.stream.app").info("ours")
    told = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert [event for event in told if not event.startswith("told by ")] == ["ours"]
    assert len(told) == 6


def test_an_ordinary_start_shows_no_error(logged) -> None:
    """The first questions for a coordinator are refused on a fresh cluster; said for half a minute it is an error after all."""
    now = [0.0]
    stream = logged(clock=lambda: now[0], log_format="json")
    client = logging.getLogger("aiokafka.consumer.group_coordinator")
    for second in range(0, 41, 5):
        now[0] = float(second)
        client.error("Group Coordinator Request failed: %s", "[Error 15] GroupCoordinatorNotAvailableError")
    assert len(stream.getvalue().splitlines()) == 2, "at 30 and 40 s; 35 s is damped"
    client.error("Heartbeat session expired")
    assert "session expired" in stream.getvalue()
    now[0] += 30
    client.error("Group Coordinator Request failed: %s", "[Error 15] GroupCoordinatorNotAvailableError")
    assert len(stream.getvalue().splitlines()) == 3, "another start begins anew"


_BRIDGE = Path(__file__).resolve().parents[2] / "bridge"
_LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}
_OURS = sorted(
    str(path.relative_to(_BRIDGE).with_suffix(""))
    for path in _BRIDGE.rglob("*.py")
    if "structlog.get_logger(" in path.read_text(encoding="utf-8")
)
_CHOSEN_LEVEL = {
    "kafka/topic_limits": "tell",
    "sources/http/refusals": "getattr(log, level)",
    "worker/leading/leader": "_log.warning if ours else _log.error",
}
"""Modules that choose between levels before they log, and the expression that is called then."""


@pytest.mark.parametrize("module", _OURS)
def test_a_line_is_an_event_and_a_sentence(module) -> None:
    """One form: a name in snake_case that can be searched for and counted, and what it means in ``detail``."""
    tree = ast.parse((_BRIDGE / f"{module}.py").read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    logged = [
        call
        for call in calls
        if isinstance(call.func.value, ast.Name) and call.func.value.id in {"log", "_log"} and call.func.attr in _LEVELS
    ]
    assert _uses_of_the_log(tree) == len(logged) or module in _CHOSEN_LEVEL, "logs in a way that nothing here looks at"
    for call in logged:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", call.args[0].value), call.lineno
        detail = next((word.value for word in call.keywords if word.arg == "detail"), None)
        assert detail is not None, f"line {call.lineno}: {call.args[0].value} has no detail"
        details = list(_sentences(tree, calls, call, detail))
        assert details
        for each in details:
            assert re.fullmatch(r"[A-Z].*\.", each), call.lineno


def _uses_of_the_log(tree):
    """How often the module's logger is used."""
    (logger,) = [
        node.targets[0].id
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("structlog.get_logger(")
    ]
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    return sum(name.id == logger for name in names)


@pytest.mark.parametrize("module", sorted(_CHOSEN_LEVEL))
def test_a_line_of_either_level_has_a_sentence(module) -> None:
    """Where the level is chosen first, the call that logs hands over ``detail`` all the same."""
    tree = ast.parse((_BRIDGE / f"{module}.py").read_text(encoding="utf-8"))
    logged = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == _CHOSEN_LEVEL[module]
    ]
    assert logged
    for call in logged:
        assert any(word.arg == "detail" for word in call.keywords), call.lineno


def test_every_refusal_of_the_receiver_has_a_sentence() -> None:
    """Whatever is told of a request is one of the events whose meaning stands in one table, and each of them is told."""
    told = set()
    for path in (_BRIDGE / "sources").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and re.search(r"(refusals|self)\._?tell$", ast.unparse(node.func)):
                told |= {arg.value for arg in node.args if isinstance(arg, ast.Constant)} - _LEVELS
    assert told == set(DETAILS)
    assert [each for each in DETAILS.values() if not re.fullmatch(r"[A-Z].*\.", each)] == []


def _sentences(tree, calls, logged, detail):
    """The texts that a detail may be: written there, one of two, named at the top of the module, or handed to the method that logs."""
    if isinstance(detail, ast.Constant):
        yield detail.value
    elif isinstance(detail, ast.IfExp):
        yield from (detail.body.value, detail.orelse.value)
    elif isinstance(detail, ast.Name) and detail.id.isupper():
        yield from (
            node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == detail.id
        )
    else:
        yield from _handed_to(tree, calls, logged)


def _handed_to(tree, calls, logged):
    """The sentences with which others call the method that logs what it is given."""
    method = next(
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and logged in list(ast.walk(node))
    )
    return [call.args[-1].value for call in calls if call.func.attr == method]
