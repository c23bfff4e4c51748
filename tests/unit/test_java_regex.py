"""Java regular expressions in Python: the same matches, or an error when they are compiled."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.mapping.failures import FunctionError
from bridge.mapping.java_regex import compile_java, find_all, split_java

JAVA = shutil.which("java")
DATA = Path(__file__).parent.parent / "data"

REGEXES = [
    r"\p{Alpha}+", r"\P{Digit}+", r"[\p{Punct}]", r"[^\p{Upper}]", r"\w+", r"\W", r"\d{2,}", r"[\d\s]+", r"[\W_]", r"\S+",
    r"(?<word>[a-z]+)-\k<word>", r"a++b", r"(?>a+)b", r"^.*$", r"a$", r"a\Z", r"a\z", r"\Qa.b\E", r"\x41\u0042", r"(?i)abc",
    r"(?i:a)B", r"[a\-z]", r"[]a]", r"a{2}", r"a.c", r"\bfoo\b", r"(a|b)?c", r"[^,]+", r"x*", r"a*?", r".??", r"\.", r"\R", r"\h", r"é",
    r"(a)(b)?", r"[&|]", r"(?=a)a", r"(?<!b)a", r"\$", r"[$^.]", r"\p{L}+", r"[\p{L}\s]+", r"\p{Lu}", r"[^\p{N}]", r"\P{L}", r"[\P{Alpha}x]",
    r"\pL", r"\p{IsLetter}", r"[\p{IsDigit}-]+", r"\p{P}",
]  # fmt: skip
TEXTS = ["", "a", "abc", "ABC", "aB", "a.b", "AB", "aaa", "aaab", "ab-ab", "foo bar", "12 34", "é٣ſ", "a\n", "a\r\n", "a\u2028b", "x,y;z",
         "]", "a-z", "a_b!", "$^", "c", "ac", "bc", "a\u00a0b", "&|", "tab\tend"]  # fmt: skip


Case = tuple[str, str]
"""Regex and text."""


def ask_java(cases: list[Case]) -> list[str]:
    """Of every case whether the text matches whole, and all the places where the regex is found."""
    lines = "".join("\t".join(part.encode("utf-16-be").hex() for part in case) + "\n" for case in cases)
    command = [str(JAVA), "-XX:TieredStopAtLevel=1", str(DATA / "JavaRegexes.java")]
    done = subprocess.run(command, input=lines.encode(), capture_output=True, check=True, timeout=120)
    return done.stdout.decode().splitlines()


def ours(case: Case) -> str:
    """The same of ours; "!" where we refuse the regex."""
    try:
        compiled = compile_java(case[0])
    except FunctionError:
        return "!"
    found = [f"{match.start()}-{match.end()}" for match in find_all(compiled, case[1])]
    return " ".join([str(compiled.fullmatch(case[1]) is not None).lower(), *found])


@pytest.mark.skipif(JAVA is None, reason="needs a JDK")
def test_finds_what_java_finds() -> None:
    """Every one of the telling regexes over every telling text."""
    cases = [(regex, text) for regex in REGEXES for text in TEXTS]
    assert not [
        (case, answer, ours(case)) for case, answer in zip(cases, ask_java(cases), strict=True) if ours(case) != answer
    ][:5]


ATOMS = ["a", "b", ".", r"\d", r"\w", r"\s", r"\W", "[ab]", "[^a]", "(a|b)", "(?:ab)", r"\p{Alpha}", r"\p{L}", "é", r"\.", "-", r"\S", r"[\w-]", "(a)?",
         "(?i:A)", r"[^\p{Upper}\d]", r"\R", r"\h"]  # fmt: skip
ANCHORS = ["", "", "", r"\b", "^", "$", "(?=b)", r"\Z", r"\z", "(?<!a)"]
REPEATS = ["", "", "", "*", "+", "?", "{2}", "{1,2}", "*?", "+?", "++", "?+"]


@pytest.mark.skipif(JAVA is None, reason="needs a JDK")
def test_random_regexes_find_what_java_finds() -> None:
    """Three thousand random regexes over random texts; few of them are refused."""
    chance = random.Random(20260903)
    cases = []
    for _ in range(3000):
        parts = [
            chance.choice(ANCHORS) + chance.choice(ATOMS) + chance.choice(REPEATS) for _ in range(chance.randint(1, 4))
        ]
        text = "".join(chance.choice("ab1 -é\n.A_\r\u00a0") for _ in range(chance.randint(0, 7)))
        cases.append(("".join(parts), text))
    answers = [(case, answer, ours(case)) for case, answer in zip(cases, ask_java(cases), strict=True)]
    assert not [one for one in answers if one[2] not in (one[1], "!")][:5]
    assert sum(1 for one in answers if one[2] == "!" != one[1]) < 300


@pytest.mark.parametrize(
    "regex",
    [
        r"[a[b]]",
        r"[a-z&&[^b]]",
        "(",
        "a**",
        "[a",
        r"\p{Greek}",
        r"\G",
        "(?x)a b",
        "a(?i)b",
        "\\",
        "a" * 1001,
        "(?'x'a)",
        "*",
    ],
)
def test_what_cannot_be_translated_is_an_error(regex: str) -> None:
    """Never a guess: an error when the mapping is compiled."""
    with pytest.raises(FunctionError):
        compile_java(regex)


@pytest.mark.parametrize(
    "regex",
    [
        "(a+)+b",
        "(a*)*",
        "(a|aa)+",
        r"(\w+\s?)*x",
        "(.*)*",
        "((a+)b?)+c",
        r"(x+x+)+y",
        "(a|a)*b",
        "([a-z]+)+$",
        "(?:a{1,50})+b",
        "(ab?a?)+c",
        "(a+){10,40}b",
    ],
)
def test_explosive_regexes_are_refused(regex: str) -> None:
    """A repetition within a repetition over the same characters can take for ever."""
    with pytest.raises(FunctionError):
        compile_java(regex)


@pytest.mark.parametrize(
    "regex",
    [
        r"([^,]+,)*[^,]*",
        r"(\d+\.)*\d+",
        "(a++)+b",
        "(?:ab)+",
        "([a-z]+ )*[a-z]+",
        r"^\s*(\w+)\s*=\s*(.*)$",
        "(a|b)*",
        "(ab|cd)+",
        r"[^@\s]+@([a-z0-9]+\.)+[a-z]{2,}",
    ],
)
def test_ordinary_repetitions_are_fine(regex: str) -> None:
    """Rounds that something firm separates cannot be cut in two ways: they run at once on hostile text."""
    compiled = compile_java(regex)
    began = time.perf_counter()
    for text in ("a" * 200 + "!", "a," * 100 + "\n", "1." * 100 + "x", "a " * 100 + "!"):
        compiled.search(text)
    assert time.perf_counter() - began < 2


# The tables of Unicode's categories are made at first use, once: that is not any one example's time.
compile_java(r"\pL")


@given(st.text(alphabet="ab(|)*+?[]{}^$.\\dwpQEuxk<>:=!,0123-&", max_size=25))
def test_any_text_compiles_or_is_refused(regex: str) -> None:
    """Nothing that people write breaks the translator."""
    try:
        compile_java(regex).search("ab" * 3)
    except FunctionError:
        return


def test_long_text_is_refused() -> None:
    """Regexes do not run on texts over 20,000 characters."""
    with pytest.raises(FunctionError):
        split_java(compile_java(","), "a," * 10_001)
