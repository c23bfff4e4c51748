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


_OURS = (
    "delivery/flow_control",
    "worker/processes/group",
    "worker/processes/member",
    "worker/watch/progress",
    "worker/watch/self_report",
)
_OURS += (
    "delivery/standing",
    "worker/stopping",
    "worker/supervision",
    "telemetry/health",
    "runtime/signals",
)
_OURS += (
    "kafka/consumer/consumption",
    "kafka/consumer/client/fetching",
    "kafka/consumer/lag",
    "kafka/consumer/client/offset_account",
    "kafka/consumer/reading",
    "kafka/consumer/stream/transport",
    "kafka/dead_letters/store",
    "kafka/producer/producer_connection",
    "kafka/producer/publisher",
    "kafka/retention",
    "kafka/route_state/state_log",
    "kafka/state_topic",
    "kafka/topic_limits",
    "kafka/topics",
    "worker/accepted_state/restoring",
    "worker/accepted_state/storing",
    "worker/restart_memory/marks",
    "worker/lifetime/opening",
    "worker/lifetime/run_end",
    "worker/lifetime/worker_stream",
    "worker/worker",
)


@pytest.mark.parametrize("module", _OURS)
def test_a_line_is_an_event_and_a_sentence(module) -> None:
    """One form: a name in snake_case that can be searched for and counted, and what it means in ``detail``."""
    path = Path(__file__).resolve().parents[2] / "bridge" / f"{module}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    logged = [call for call in calls if isinstance(call.func.value, ast.Name) and call.func.value.id in {"log", "_log"}]
    assert logged
    for call in logged:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", call.args[0].value), call.lineno
        (detail,) = [word.value for word in call.keywords if word.arg == "detail"]
        details = [detail.value] if isinstance(detail, ast.Constant) else _handed_to(tree, calls, call)
        assert details
        for each in details:
            assert re.fullmatch(r"[A-Z].*\.", each), call.lineno


def _handed_to(tree, calls, logged):
    """The sentences with which others call the method that logs what it is given."""
    method = next(
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and logged in list(ast.walk(node))
    )
    return [call.args[-1].value for call in calls if call.func.attr == method]
