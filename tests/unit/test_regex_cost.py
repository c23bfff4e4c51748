"""Regular expressions in sequence, whose time is a polynomial of the text's length."""

from __future__ import annotations

import time

import pytest

from bridge.mapping.failures import FunctionError
from bridge.mapping.java_regex import compile_java
from bridge.mapping.regex_cost import MAX_SUBJECT, subject


@pytest.mark.parametrize(
    ("pattern", "anywhere"),
    [("a*a*a*a*b", False), ("a*a*b", True), (".*a.*a.*a.*b", False), ("(?i).*A.*A.*A.*b", False), ("a*a*a*c|b", False)],
)
def test_text_that_could_take_for_ever_is_refused(pattern: str, anywhere: bool) -> None:
    """A worker never starts a match that it could not end."""
    with pytest.raises(FunctionError, match="for ever"):
        subject("a" * 5000, compile_java(pattern), anywhere=anywhere)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (".*utm_source=([^&]*).*", "https://shop.example/a?" + "x=1&" * 400 + "utm_source=mail"),
        ("[^,]+,[^,]*,([^,]+)", "a," * 9000),
        ("^([^@]+)@(.+)\\.(.+)$", "a" * 300 + "@example.co.uk"),
        (" *, *", "a, " * 6000),
        ("abc", "x" * MAX_SUBJECT),
    ],
)
def test_ordinary_regexes_run_on_long_text(pattern: str, text: str) -> None:
    """What mappings are full of is not refused for what it might do on other text."""
    assert subject(text, compile_java(pattern)) == text


@pytest.mark.parametrize("pattern", ["a*a*b", "a*a*a*b", ".*a.*a.*b", "a*a*a*a*b"])
def test_what_is_let_through_ends_soon(pattern: str) -> None:
    """The longest text that is accepted takes seconds, not hours."""
    regex = compile_java(pattern)
    longest = 0
    for length in range(50, 4000, 50):
        try:
            subject("a" * length, regex)
        except FunctionError:
            break
        longest = length
    began = time.process_time()
    regex.search("a" * longest)
    assert longest >= 50
    assert time.process_time() - began < 20


def test_no_text_is_longer_than_the_limit() -> None:
    """A bound for every regex."""
    with pytest.raises(FunctionError):
        subject("x" * (MAX_SUBJECT + 1), compile_java("abc"))
