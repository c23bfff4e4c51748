"""Upper bounds of what a backtracking engine does: never below the truth, and not so far above it that ordinary regexes suffer."""

from __future__ import annotations

import re
import time

import pytest

from bridge.mapping.values.failures import FunctionError
from bridge.mapping.values.regex import cost as regex_cost
from bridge.mapping.values.regex.engines import MAX_SUBJECT
from bridge.mapping.values.regex.java import compile_java
from bridge.mapping.values.regex.tree import tree_of


def steps(pattern: str, length: int, *, anywhere: bool = True) -> float:
    """The bound for a pattern."""
    return regex_cost.steps(tree_of(pattern), length, anywhere=anywhere)


@pytest.mark.parametrize(
    ("pattern", "least"),
    [
        ("(a+)+b", 2**29), ("(.*,){11}P", 30**11), ("(a|aa)+b", 2**14), ("(a?){20}b", 2**20), ("a?" * 20 + "b", 2**20), ("a*a*a*b", 30**3 / 6),
        ("(a{1,3}){1,10}b", 3**10), ("(?=(a+)+b)x", 2**29), ("(a*(?=.*x))*b", 30**2), ("(?>(a|aa)+)b", 2**14),
    ],
)  # fmt: skip
def test_no_bound_is_too_low(pattern: str, least: float) -> None:
    """What is known to be tried on thirty characters is counted."""
    assert steps(pattern, 30, anywhere=False) >= least


@pytest.mark.parametrize(
    "pattern",
    ["abc", "[^,]+,[^,]*,[^,]+", "(?:ab|cd)+e", "([^,]+,)*x", r"(\d+\.)*x", "(a++)+b", "a{3}b{2}", "(?:a(?:b|c)d)*"],
)
def test_what_the_next_character_decides_is_linear(pattern: str) -> None:
    """From one beginning, rounds that can be cut in one way only cost what they read."""
    assert steps(pattern, 20_000, anywhere=False) < 40 * 20_000


@pytest.mark.parametrize(
    "pattern",
    [
        "a*a*b",
        "a*a*a*b",
        ".*a.*a.*b",
        "(a|ab)*c",
        "(a{1,4}){1,5}b",
        "([a-c]+[bc]){3}d",
    ],
)
def test_re_ends_within_its_bound(pattern: str) -> None:
    """On the longest text that it would be given, ``re`` takes no longer than the steps say."""
    regex, tree = re.compile(pattern), tree_of(pattern)
    longest = regex_cost.longest_within(tree, 3_000_000, 5_000, anywhere=True)
    assert longest >= 10
    began = time.thread_time()
    for text in ("a" * longest, "ab" * (longest // 2), "abc" * (longest // 3), "a " * (longest // 2)):
        regex.search(text)
    assert time.thread_time() - began < 1


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (".*utm_source=([^&]*).*", "https://shop.example/a?" + "x=1&" * 400 + "utm_source=mail"),
        ("[^,]+,[^,]*,([^,]+)", "a," * 9000),
        ("^([^@]+)@(.+)\\.(.+)$", "a" * 300 + "@example.co.uk"),
        (" *, *", "a, " * 6000),
        ("abc", "x" * MAX_SUBJECT),
        ("(?<=utm_source=)[^&]+", "https://shop.example/a?" + "x=1&" * 4_000 + "utm_source=mail"),
        ("^(?=.*[A-Z])(?=.*[0-9]).{8,}$", "aB1" * 6_000),
    ],
)
def test_ordinary_regexes_run_on_long_text(pattern: str, text: str) -> None:
    """What mappings are full of is not refused for what it might do on other text."""
    regex = compile_java(pattern)
    assert regex.fits(text)
    regex.search(text)


def test_no_text_is_longer_than_the_limit() -> None:
    """A bound for every regex."""
    with pytest.raises(FunctionError):
        compile_java("abc").search("x" * (MAX_SUBJECT + 1))


def test_a_long_regex_is_judged_soon() -> None:
    """Judging takes milliseconds also where repetitions are nested deeply or alternatives are many."""
    began = time.thread_time()
    for pattern in (
        "(" * 90 + "a" + ")*" * 90,
        "|".join(f"w{n}x*" for n in range(150)),
        "(?:a|b" * 60 + ")" * 60,
        "[ab]?c*" * 140,
    ):
        compile_java.cache_clear()
        try:
            compile_java(pattern)
        except FunctionError:
            continue
    assert time.thread_time() - began < 4
