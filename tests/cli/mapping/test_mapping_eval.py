"""aep-bridge mapping eval: which value has an expression, why is it null, and what is wrong with it?"""

import json

import pytest
from mapping_commands import SEED, run

from bridge.model.errors import BridgeError


def test_eval_prints_a_json_value():
    """The contract's example, null, dates, and no event at all."""
    assert run("eval", "upper(event_name)", "--event", SEED).stdout == '"EMAIL SENT"\n'
    assert run("eval", "nothing.here").stdout == "null\n"
    assert run("eval", "date('2024-11-12 14:20')").stdout == '"2024-11-12T14:20:00Z"\n'
    assert run("eval", "1 + 1").stdout == "2\n"
    assert run("eval", "-7 / 2", "-e", SEED).stdout == "-3\n"
    assert run("eval", "to_object('é', [1])").stdout == '{"é": [1]}\n'


def test_eval_tells_why_a_value_is_null():
    """The value is null on stdout; the reason is on stderr, and the exit is 0: null is a value."""
    result = run("eval", "1 / 0")
    assert (result.exit_code, result.stdout) == (0, "null\n")
    assert "division by zero" in result.stderr


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("3 Nov 2020", "it has the form d MMM yyyy: give that as second argument"),
        (
            "Tue, 03 Nov 2020 10:00:00 GMT",
            "it has the form EEE, dd MMM yyyy HH:mm:ss zzz: give that as second argument",
        ),
        ("1731421200", "it looks like an epoch in seconds"),
    ],
)
def test_a_date_that_cannot_be_read_comes_with_its_pattern(text: str, hint: str):
    """What now: the pattern to give as second argument, or what makes a date of an epoch."""
    assert hint in run("eval", f"date('{text}')").stderr
    assert hint in run("eval", "date(d)", "--event", json.dumps({"d": text})).stderr


def test_eval_names_a_function_that_jmespath_lacks():
    """Its own functions are not those of the mapping language."""
    with pytest.raises(BridgeError, match="JMESPath has no function upper; it has abs, avg"):
        run("eval", 'jmespath("items[].upper(sku)")')
    assert run("eval", 'jmespath("length(items)")', "--as-is", "-e", '{"items": [1, 2]}').stdout == "2\n"


def test_eval_refuses_what_is_no_expression():
    """A wrong expression is an error with position and suggestion."""
    with pytest.raises(BridgeError, match=r"character 1: no function uper .*fix: upper"):
        run("eval", "uper(x)")


def test_eval_without_an_expression_reads_them_line_by_line():
    """A prompt that also works in a pipe, and explains functions."""
    result = run("eval", "--event", SEED, stdin="time * 1000\nnope(\n?lower\n?dformt\n")
    assert result.stdout.splitlines()[:2] == ["1731421200000", "lower(INPUT)"]
    assert "ends too early" in result.stderr
    assert "no function dformt; did you mean dformat?" in result.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "stdin: there is no event in it"),
        ('{"app_name": "a", "events": []}', "stdin: there is no event in it"),
        ('[{"event_name": "a"}, 5]', "event 2: the body is JSON but not an object"),
    ],
)
def test_an_expression_wants_an_event(text: str, said: str):
    """Nothing to evaluate over is an error, not silence or a null."""
    with pytest.raises(BridgeError, match=f"^{said}$"):
        run("eval", "event_name", "--event", "-", stdin=text)


def test_an_expression_may_be_tried_on_any_object():
    """A part of an event will do to try an expression."""
    assert run("eval", "a.b + 1", "--event", '{"a": {"b": 1}}').stdout == "2\n"


def test_eval_tells_a_slip_in_a_path():
    """A path that the event does not have is named with the one that was meant; a path that is there and null is not."""
    event = '{"event_attributes": {"total": null}}'
    slip = run("eval", "event_atributes.total", "--event", event)
    assert (slip.stdout, slip.stderr) == (
        "null\n",
        "the event has no event_atributes.total (event_attributes.total?)\n",
    )
    assert run("eval", "event_attributes.total", "--event", event).stderr == ""
    assert run("eval", "filterArray([1, 2], x -> x > 1)", "--event", event).stderr == ""


def test_the_prompt_knows_its_words():
    """help, ?, .event, .paths, a line that goes on, and the words that end it."""
    said = run(
        "eval",
        "--event",
        '{"event_code": "X", "a": {"b": 1}}',
        stdin="help\n?\n.paths\n.event a\na.b \\\n+ 1\nexit\nnever\n",
    )
    assert "exit, quit" in said.stderr
    lines = said.stdout.splitlines()
    assert any(line.startswith("String: concat, explode") for line in lines) or "concat" in said.stdout
    assert "a.b" in lines
    assert lines[-2:] == ['{"b": 1}', "2"]
