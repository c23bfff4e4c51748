"""Dead letters of every kind can be listed and shown, whatever their senders wrote."""

from __future__ import annotations

import io

import orjson
import pytest
from rich.console import Console
from rich.table import Table
from typer.testing import CliRunner

from bridge.cli import app, plain
from bridge.dead_letter import DeadLetter
from bridge.pipeline import replay
from bridge.pipeline.replay import Stored, as_json

_DEEP = b'{"a":' + b"[" * 300 + b"]" * 300 + b"}"


@pytest.mark.parametrize("value", [_DEEP, b"", b"not \xff JSON", b'{"n":1e999}', b"NaN"])
def test_any_value_is_shown(value) -> None:
    """Also a value that is nested too deeply, which is why it is there: then as the text it is."""
    letter = DeadLetter(b"\xff", value, "receive", "too_deep", "too deep")
    shown = orjson.loads(orjson.dumps(as_json(Stored(0, 1, letter, []), value=True)))
    assert shown["value"] == value.decode(errors="replace")


def test_texts_of_others_are_neither_markup_nor_commands_to_the_terminal() -> None:
    """Brackets stay as they are, and an escape sequence does nothing."""
    out = io.StringIO()
    table = Table("event")
    table.add_row(plain("[/x] [red]a[/red]\x1b[2J\r\nb"))
    Console(file=out, width=80).print(table)
    assert "[/x] [red]a[/red]\ufffd[2J\ufffd\ufffdb" in out.getvalue()


def test_a_list_holds_events_named_like_markup(monkeypatch) -> None:
    """An event_uuid or a reason in brackets, as anyone may send it, does not take the whole list along."""

    async def letters(_kafka, _wanted):
        yield Stored(0, 1, DeadLetter(None, b"x", "map", "[/c]", "[/reason]", event_uuid="[/uuid]"), [])

    monkeypatch.setattr(replay, "read", letters)
    done = CliRunner().invoke(app, ["deadletters", "list"], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    assert "[/uuid]" in done.output
    assert "[/reason]" in done.output


def test_a_place_is_written_in_digits() -> None:
    """What Python counts as a digit but not as a number is a usage error like any other word."""
    assert CliRunner().invoke(app, ["deadletters", "show", "²/1"]).exit_code == 2
