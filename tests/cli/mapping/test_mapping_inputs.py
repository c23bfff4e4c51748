"""What do mapping commands take for an event, a mapping and options, and where do they say that something is wrong with them?"""

import json
from pathlib import Path

import pytest
from json_output import json_of
from mapping_commands import EXPECTED, SEED, SHIPPED, run

from bridge.model.errors import BridgeError


def test_files_that_cannot_be_read_are_errors(tmp_path: Path):
    """A missing mapping, a missing event, an event that is no JSON: an error in words, not a traceback."""
    for arguments in (
        ("preview", str(tmp_path / "no.csv"), "--event", SEED),
        ("preview", SHIPPED, "--event", str(tmp_path / "no.json")),
        ("eval", "a", "--event", "{broken"),
        ("convert", str(tmp_path / "no.csv")),
        ("test", str(tmp_path)),
    ):
        with pytest.raises(BridgeError):
            run(*arguments)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{\n "event_name": "a",\n "b": }\n', ": not JSON: .* at line 3, column 7$"),
        ('{\n "a": 1\n}\n{\n "b": 2\n}\n', ": not JSON: .* at line 4, column 1$"),
        ('{"event_name": "a"}\n\n{"event_name": "b"\n', ", line 3: not JSON: .* at column 19$"),
    ],
)
def test_a_mistake_in_events_is_told_where_it_is(tmp_path: Path, text: str, said: str):
    """A document over several lines is wrong where it is wrong, not in its first line; one of JSON lines in its own."""
    file = tmp_path / "event.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BridgeError, match=said):
        run("eval", "event_name", "--event", str(file))


def test_preview_wants_an_event():
    """No event, no XDM: an error, not an empty answer."""
    with pytest.raises(BridgeError, match=r"^stdin: there is no event in it$"):
        run("preview", SHIPPED, "--event", "-", "--json", stdin="[]")


def test_wrong_usage_exits_2():
    """Typer's own answer to a missing argument, and ours to a tenant without its underscore."""
    assert run("preview").exit_code == 2
    done = run("preview", SHIPPED, "--event", SEED, "--tenant", "yourorgname")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "--tenant" in done.stderr
    assert "BRIDGE_" not in done.stderr


def test_a_dead_letter_stands_for_the_event_in_it():
    """What deadletters show prints can be given to preview and eval as it is."""
    seed = json.loads(Path(SEED).read_text(encoding="utf-8"))
    letter = {
        "partition": 2,
        "offset": 4,
        "stage": "check",
        "code": "xdm_enum",
        "reason": "r",
        "source": {},
        "key": None,
        "value": seed,
    }
    shown = run("preview", SHIPPED, "--event", json.dumps(letter), "--tenant", "_yourorgname", "--json")
    assert (shown.exit_code, json_of(shown)) == (0, EXPECTED)
    assert run("eval", "event_code", "--event", json.dumps(letter)).stdout == '"MOE_EMAIL_SENT"\n'


def test_any_object_as_it_is():
    """--as-is adds nothing and takes no envelope apart; --show-event shows what the mapping sees."""
    batch = json.dumps({"events": [{"event_code": "X"}], "uid": "u"})
    assert run("eval", "size_of(events)", "--as-is", "--event", batch).stdout == "1\n"
    assert run("eval", "identities", "--as-is", "--event", batch).stdout == "null\n"
    shown = run("preview", SHIPPED, "--as-is", "--show-event", "--event", batch, "--json")
    assert json_of(shown, exit_code=None)["event"] == json.loads(batch)
    canonical = run("preview", SHIPPED, "--show-event", "--event", '{"event_code": "X", "uid": "u"}', "--json")
    assert json_of(canonical, exit_code=None)["event"]["identities"] == {"externalId": "u"}
