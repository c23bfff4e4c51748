"""Log lines: one form, no secrets, no payloads."""

from __future__ import annotations

import io
import json
import logging
import time
import warnings

import pytest
import structlog
from aiohttp.http_exceptions import BadHttpMessage
from pydantic import SecretStr

from bridge.settings import KafkaSettings, OauthSettings, TelemetrySettings
from bridge.telemetry.logs import configure_logging, redact

SECRETS = ("s3cret", "asha.k@example.com", "p8e-hidden")


@pytest.fixture
def logged():
    """Configures logging into a text; gives a function that configures and the text. Everything is put back."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    levels = {
        name: logging.getLogger(name).level for name in ("bridge", "aiokafka", "faust", "httpx", "aiohttp.access")
    }
    stream = io.StringIO()

    def configure(clock=time.monotonic, **settings) -> io.StringIO:
        configure_logging(TelemetrySettings(**settings), stream=stream, clock=clock)
        return stream

    yield configure
    root.handlers[:], root.level = before[0], before[1]
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.mark.parametrize("form", ["json", "console"])
def test_secrets_and_payloads_never_show(logged, form) -> None:
    """Secrets by type or name, payloads by name, bytes: none of them reaches a line, however deep."""
    stream = logged(log_format=form, log_level="debug")
    log = structlog.get_logger("bridge.test")
    log.info(
        "everything",
        password=SecretStr("s3cret"),
        some=SecretStr("s3cret"),
        client_secret="p8e-hidden",
        authorization="Basic s3cret",
        access_token="s3cret",
        nested={"headers": {"Authorization": "s3cret"}, "list": [SecretStr("s3cret"), b"asha.k@example.com"]},
        body=b"asha.k@example.com",
        value="asha.k@example.com",
        email="asha.k@example.com",
        settings=KafkaSettings(sasl_password="s3cret"),
        oauth=OauthSettings(client_secret="p8e-hidden"),
        token_refreshes=3,
        topic="events",
    )
    logging.getLogger("aiokafka.producer").debug("Sending (key=%s value=%s)", "asha.k@example.com", "s3cret")
    logging.getLogger("httpx").info("HTTP Request: POST https://x/?client_secret=s3cret")
    text = stream.getvalue()
    assert "everything" in text
    assert "events" in text
    assert "3" in text
    assert not [secret for secret in SECRETS if secret in text], text


def test_json_lines(logged) -> None:
    """Ours and the libraries' lines are JSON objects with time, level, logger and event; exceptions are a field."""
    stream = logged(log_format="json")
    structlog.get_logger("bridge.test").warning("told", count=2)
    logging.getLogger("aiokafka.consumer").warning("from %s", "aiokafka")
    try:
        int("bad")
    except ValueError:
        structlog.get_logger("bridge.test").exception("failed")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", UserWarning, stacklevel=1)
    ours, theirs, failed, warned = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (ours["event"], ours["level"], ours["logger"], ours["count"]) == ("told", "warning", "bridge.test", 2)
    assert (theirs["event"], theirs["logger"]) == ("from aiokafka", "aiokafka.consumer")
    assert "ValueError: invalid literal" in failed["exception"]
    assert "old" in warned["event"]
    assert all(line["timestamp"].endswith("Z") for line in (ours, theirs, failed, warned))


@pytest.mark.parametrize(("level", "shown"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_levels(logged, level, shown) -> None:
    """The setting decides on our lines; libraries never go below their own level."""
    stream = logged(log_level=level, log_format="json")
    log = structlog.get_logger("bridge.test")
    log.debug("1")
    log.info("2")
    log.warning("3")
    log.error("4")
    logging.getLogger("aiokafka").info("never")
    logging.getLogger("aiohttp.access").info("never")
    assert len(stream.getvalue().splitlines()) == shown


def test_long_texts_are_cut() -> None:
    """A line cannot grow without bound."""
    assert len(redact(None, "info", {"reason": "x" * 10_000})["reason"]) < 2_100


def test_console_is_readable(logged) -> None:
    """The console form is plain text when it is no terminal."""
    stream = logged(log_format="console")
    structlog.get_logger("bridge.test").info("told", count=2)
    line = stream.getvalue()
    assert "told" in line
    assert "count=2" in line
    assert "\x1b" not in line


def test_libraries_that_repeat_themselves_are_damped_and_counted(logged) -> None:
    """Ten seconds of a client without brokers are one line, and the next tells how many there were; ours are all shown."""
    now = [100.0]
    stream = logged(clock=lambda: now[0], log_format="json")
    client, ours = logging.getLogger("aiokafka.consumer"), structlog.get_logger("bridge.test")
    for attempt in range(320):
        client.error("Unable connect to node with id %s: %s", attempt % 3, "refused")
        ours.error("ours")
        now[0] += 1 / 32
    client.error("Unable connect to node with id %s: %s", 2, "refused")
    logging.getLogger("faust.app").warning("Unable connect to node with id %s: %s", 2, "refused")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    told = [(line["logger"], line["event"], line.get("left_out")) for line in lines if line["logger"] != "bridge.test"]
    assert told == [
        ("aiokafka.consumer", "Unable connect to node with id 0: refused", None),
        ("aiokafka.consumer", "Unable connect to node with id 2: refused", 319),
        ("faust.app", "Unable connect to node with id 2: refused", None),
    ]
    assert len([line for line in lines if line["logger"] == "bridge.test"]) == 320


def test_the_first_failure_of_its_kind_is_always_shown(logged) -> None:
    """An exception is not taken for the plain message before it, nor for another exception or a lesser level."""
    stream = logged(clock=lambda: 5.0, log_format="json")
    client = logging.getLogger("mode.services")
    for error in (None, ValueError("v"), OSError("o"), ValueError("again")):
        client.error("failed", exc_info=error)
    client.warning("failed")
    client.critical("failed", exc_info=ValueError("v"))
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    kinds = [(line["level"], line.get("exception", "-").splitlines()[-1]) for line in told]
    assert kinds == [
        ("error", "-"),
        ("error", "ValueError: v"),
        ("error", "OSError: o"),
        ("warning", "-"),
        ("critical", "ValueError: v"),
    ]


def test_what_the_http_library_quotes_is_not_shown(logged) -> None:
    """Its parser's errors hold the request: their type is told, once in a while, wherever they come from."""
    stream = logged(log_format="json", clock=lambda: 5.0)
    error = BadHttpMessage("Invalid header: b'Authorization : Basic c2VjcmV0' asha@example.com")
    for _ in range(3):
        logging.getLogger("aiohttp.server").error("Error handling request from %s", "203.0.113.9", exc_info=error)
    logging.getLogger("asyncio").error("never retrieved", exc_info=error)
    text = stream.getvalue()
    assert "c2VjcmV0" not in text
    assert "asha" not in text
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["logger"], line["kind"]) for line in lines] == [
        ("aiohttp.server", "BadHttpMessage"),
        ("asyncio", "BadHttpMessage"),
    ]
    logging.getLogger("asyncio").error("ours", exc_info=ValueError("kept"))
    assert "kept" in stream.getvalue()
