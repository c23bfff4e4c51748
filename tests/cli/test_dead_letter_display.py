"""Dead letters of every kind can be listed and shown, whatever their senders wrote."""

from __future__ import annotations

import io

import orjson
import pytest
from json_output import json_of
from rich.console import Console
from rich.table import Table
from typer.testing import CliRunner

from bridge.cli.app import plain
from bridge.cli.main import app
from bridge.kafka.dead_letters import replay_marks, stored_letters
from bridge.kafka.dead_letters.replay_marks import Mark, Marks
from bridge.kafka.dead_letters.stored_letters import Filter, Stored, as_json, field_of
from bridge.model.dead_letter import DeadLetter

_DEEP = b'{"a":' + b"[" * 300 + b"]" * 300 + b"}"


@pytest.mark.parametrize("value", [_DEEP, b"", b"not \xff JSON", b'{"n":1e999}', b"NaN"])
def test_any_value_is_shown(value) -> None:
    """Also a value that is nested too deeply, which is why it is there: then as the text it is."""
    letter = DeadLetter(b"\xff", value, "receive", "too_deep", "too deep")
    shown = orjson.loads(orjson.dumps(as_json(Stored(0, 1, letter, []), value=True)))
    assert shown["value"] == value.decode(errors="replace")


def _stub(monkeypatch, letters, marks=()):
    async def load(_kafka, _decoder):
        return Marks(marks)

    monkeypatch.setattr(stored_letters, "read", letters)
    monkeypatch.setattr(replay_marks, "load_marks", load)


def test_texts_of_others_are_neither_markup_nor_commands_to_the_terminal() -> None:
    """Brackets stay as they are, and an escape sequence does nothing."""
    out = io.StringIO()
    table = Table("event")
    table.add_row(plain("[/x] [red]a[/red]\x1b[2J\r\nb"))
    Console(file=out, width=80).print(table)
    assert "[/x] [red]a[/red]\ufffd[2J\ufffd\ufffdb" in out.getvalue()


def test_a_list_holds_events_named_like_markup(monkeypatch) -> None:
    """An event_uuid or a reason in brackets, as anyone may send it, does not take the whole list along."""

    async def letters(_kafka, _wanted, _decoder):
        yield Stored(0, 1, DeadLetter(None, b"x", "map", "[/c]", "[/reason]", event_uuid="[/uuid]"), [])

    _stub(monkeypatch, letters)
    done = CliRunner().invoke(app, ["deadletters", "list"], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    assert "[/uuid]" in done.output
    assert "[/reason]" in done.output


def _letters(*letters):
    async def read(_kafka, _wanted, _decoder):
        for offset, letter in enumerate(letters):
            yield Stored(0, offset, letter, [])

    return read


def _refused(reason, code="xdm_enum", event="A", **more):
    return DeadLetter(None, orjson.dumps({"event_code": event}), "check", code, reason, **more)


def test_open_and_replayed_letters_are_counted_apart(monkeypatch) -> None:
    """By stage and code, and by the field that the reason names and the event code; the newest say it each."""
    enum = "#/_acmeair/loyalty/tier is none of gold, silver"
    letters = [_refused(enum), _refused(enum), _refused(enum, event="B"), _refused("no identity", code="identity_none")]
    marks = [Mark(0, 2, Filter(code="xdm_enum"), sent=1, left=(1,)), Mark(1, 9, Filter()), Mark(0, 3, Filter(code="x"))]
    _stub(monkeypatch, _letters(*letters), marks)
    done = CliRunner().invoke(app, ["deadletters", "list", "--json"])
    body = json_of(done)
    assert (body["total"], body["open"], body["replayed"]) == (4, 3, 1)
    assert body["counts"] == [
        {"stage": "check", "code": "xdm_enum", "count": 3, "open": 2, "replayed": 1},
        {"stage": "check", "code": "identity_none", "count": 1, "open": 1, "replayed": 0},
    ]
    assert body["details"][0] == {
        "stage": "check", "code": "xdm_enum", "field": "_acmeair.loyalty.tier", "event_code": "A",
        "count": 2, "open": 1, "replayed": 1,
    }  # fmt: skip
    assert sorted((each["offset"], each["replayed"]) for each in body["letters"]) == [
        (0, True), (1, False), (2, False), (3, False),
    ]  # fmt: skip
    told = CliRunner().invoke(app, ["deadletters", "list"], env={"COLUMNS": "160"}).output
    assert "4 dead letters in moengage.events.dead-letters" in told
    assert ["4", "3", "1", "all"] in [line.replace("│", " ").split() for line in told.splitlines()]
    assert "_acmeair.loyalty.tier" in told


@pytest.mark.parametrize(
    ("reason", "field"),
    [
        ("#/timestamp is required and null", "timestamp"),
        ("#/_acme/loyalty/tier: none of gold", "_acme.loyalty.tier"),
        ("the mapping gives no identity (#/identityMap)", "identityMap"),
        ("nothing is named", ""),
    ],
)
def test_the_field_of_a_reason(reason, field) -> None:
    """A pointer in the reason is the field, as a path of the mapping set."""
    assert field_of(_refused(reason)) == field


def test_the_value_alone(monkeypatch) -> None:
    """With --value the event and nothing else is printed, fit for preview; of a cut one that is said beside it."""

    async def read_one(_kafka, _partition, offset):
        more = {"form": "truncated", "truncated_from": 900} if offset else {}
        return Stored(0, offset, DeadLetter(None, b'{"event_code":"A"}', "map", "code", "why", **more), [])

    monkeypatch.setattr(stored_letters, "read_one", read_one)
    done = CliRunner().invoke(app, ["deadletters", "show", "0/0", "--value"])
    assert (done.stdout.strip(), done.stderr) == ('{"event_code":"A"}', "")
    done = CliRunner().invoke(app, ["deadletters", "show", "0/1", "--value"])
    assert "18 of 900 bytes" in done.stderr


def test_a_place_is_written_in_digits() -> None:
    """What Python counts as a digit but not as a number is a usage error like any other word."""
    assert CliRunner().invoke(app, ["deadletters", "show", "²/1"]).exit_code == 2
