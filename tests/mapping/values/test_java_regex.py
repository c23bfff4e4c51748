"""Java regular expressions in Python: the same matches, or an error when they are compiled."""

from __future__ import annotations

import contextlib
import random
import re
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from java_programs import JAVA, answers_of

from bridge.mapping.values.failures import FunctionError
from bridge.mapping.values.regex.engines import JavaRegex, _linear
from bridge.mapping.values.regex.java import _Translation, compile_java

if TYPE_CHECKING:
    from collections.abc import Callable

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
    """Of every case whether the text matches whole, and all the places where the regex and its groups are found."""
    lines = "".join("\t".join(part.encode("utf-16-be").hex() for part in case) + "\n" for case in cases)
    return answers_of("JavaRegexes", lines)


def places(answer: str) -> str:
    """An answer without the groups: ``re`` and Java differ in those of possessive repetitions."""
    return " ".join(found.partition(",")[0] for found in answer.split())


def ours(case: Case) -> str:
    """The places of ours; "!" where we refuse the regex."""
    try:
        compiled = compile_java(case[0])
        return places(_answer(compiled, case[1]))
    except FunctionError:
        return "!"


def _answer(compiled: JavaRegex, text: str) -> str:
    found = []
    for match in compiled.find_all(text):
        spans = [match.span(group) for group in range(1, len(match.groups()) + 1)]
        shown = ["" if start < 0 else f"{start}-{end}" for start, end in spans]
        found.append(",".join([f"{match.start()}-{match.end()}", *shown]))
    return " ".join([str(compiled.fullmatch(text) is not None).lower(), *found])


def linear(pattern: str) -> JavaRegex | None:
    """The regex, run without backtracking on any text; None where it cannot be."""
    translation = _Translation(pattern)
    compiled = re.compile(translation.run())
    if _linear(translation.for_re2()) is None:
        return None
    made = JavaRegex(
        pattern, compiled, translation.for_re2(), at_ends=translation.at_ends, at_words=translation.at_words
    )
    made._linear, made._linear_limit, made._search_limit, made._whole_limit = _linear(translation.for_re2()), 9, -1, -1
    return made


@pytest.mark.skipif(JAVA is None, reason="needs a JDK")
def test_finds_what_java_finds() -> None:
    """Every one of the telling regexes over every telling text."""
    cases = [(regex, text) for regex in REGEXES for text in TEXTS]
    assert not [
        (case, answer, ours(case))
        for case, answer in zip(cases, map(places, ask_java(cases)), strict=True)
        if ours(case) != answer
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
    answers = [(case, places(answer), ours(case)) for case, answer in zip(cases, ask_java(cases), strict=True)]
    assert not [one for one in answers if one[2] not in (one[1], "!")][:5]
    assert sum(1 for one in answers if one[2] == "!" != one[1]) < 300


REPEATED = [
    "(a*)",
    "(a|b*)",
    "(?:a?b?)",
    "(?i:[a-c])",
    "(?i:é)",
    "(|a)",
    "((a)|b)",
    "(?:(a)|(b))",
    "(?i:k)",
    "(?i:[^a-])",
]


@pytest.mark.skipif(JAVA is None, reason="needs a JDK")
def test_without_backtracking_random_regexes_find_what_java_finds() -> None:
    """Places and groups of two thousand random regexes, repetitions within repetitions above all."""
    chance = random.Random(20261126)
    cases = [(regex, text) for regex in REGEXES for text in TEXTS if len(text) < 10]
    for _ in range(2000):
        atoms = ATOMS + REPEATED
        regex = "".join(
            chance.choice(["", "", "", r"\b", "$", r"\Z"])
            + chance.choice(atoms)
            + chance.choice([*REPEATS[:-2], "{0,2}"])
            for _ in range(chance.randint(1, 3))
        )
        if chance.random() < 0.5:
            regex = (
                f"({regex})" + chance.choice(["*", "+", "{2}", "{0,3}", "*?", "+?", ""]) + chance.choice(["", "b", "$"])
            )
        if chance.random() < 0.3:
            regex = f"(?i){regex}|{chance.choice(atoms)}"
        cases.append((regex, "".join(chance.choice("aabbAB1 -é\n._\rkK\u212aÉ") for _ in range(chance.randint(0, 8)))))
    wrong, compared = [], 0
    for case, answer in zip(cases, ask_java(cases), strict=True):
        try:
            compile_java(case[0])
            compiled = linear(case[0])
            found = None if compiled is None else _answer(compiled, case[1])
        except FunctionError:
            continue
        if found is not None:
            compared += 1
            if found != answer:
                wrong.append((case, answer, found))
    assert not wrong[:5]
    assert compared > 1000


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


HOSTILE = [
    *("a" * 300, "a" * 10_000, "a," * 150, "a," * 5_000, "ab" * 150, "word word " * 30, "aaaa " * 2_000, "a b@c" * 60, "A1" * 5_000),
    *("é" * 3_000, "a" * 3_000 + "\n", "x" * 300, "1 " * 4_999, "en-GB-oed-" * 1_000),
]  # fmt: skip
EXPLOSIVE = [
    r"(.*,){11}P", r"(\S+\s*){15}end", r"([^@]+@?){12}x", r"(\w{1,4}){1,24}!", "(a+){12}b", "(a*){10}b", "(.+){10}z", "(a{1,20}){1,20}b",
    "(a|ab|b|ba){24}c", "((a{1,3}){1,3}){1,10}b", "(a+)+b", "(a*)*b", "(a|aa)+", r"(\w+\s?)*x", "(.*)*", "((a+)b?)+c", "(x+x+)+y", "(a|a)*b",
    "([a-z]+)+$", "(?:a{1,50})+b", "(ab?a?)+c", "(a+){10,40}b", "a?" * 30 + "a" * 30, "(a|ab)" * 20 + "c", ".*a.*a.*a.*a.*b", "a*a*a*a*a*b",
    "^(?:a?){30}a{30}$", r"(\d+|\w+)*!", r"(\p{L}+\s?){20}!", "(.{1,10}){1,30}Z", "^(([a-z])+.)+[A-Z]([a-z])+$", "(?i)(A+){14}b", "(.*?,){25}P",
    r"\b(\w+\s*)+\b!", "(a{0,3}b{0,3}){30}c", "(a?b?){40}c", "(?:(?:a|b)|[ab]){30}c", "(a+?)+?b", "(?:(?:(?:a?)?)?){60}b", "(a++)*b", "(?:a++b?)+c",
    "a*a*(?!c)b", r"(\w+)-\1", "(?!.*foo).*bar", "(?<=x)a*a*b", r"(?=.*x)(?=.*y)",
]  # fmt: skip


@pytest.mark.parametrize("regex", EXPLOSIVE)
def test_no_regex_works_long_on_any_text(regex: str) -> None:
    """What would take a backtracking engine years ends at once, or is refused for this text."""
    compiled = compile_java(regex)
    answered = 0
    for text in HOSTILE + [made * size for made in ("a", "ab", "a-", "xa") for size in (5, 20, 100, 500, 1_700, 3_500)]:
        for use in (compiled.fullmatch, compiled.search, lambda text: list(compiled.find_all(text))):
            assert any(_cpu_seconds(use, text) < 0.25 for _ in range(3))
            with contextlib.suppress(FunctionError):
                use(text)
                answered += 1
    assert answered > 30


def _cpu_seconds(use: Callable[[str], object], text: str) -> float:
    """CPU time of one use; one of several is what it takes on a machine that others share."""
    began = time.thread_time()
    with contextlib.suppress(FunctionError):
        use(text)
    return time.thread_time() - began


@pytest.mark.parametrize(
    "regex",
    [
        "(?=(a+)+b)x",
        r"(a+)+\1",
        "(?<!x)(a+)+b",
        "(a+){12}(?!c)b",
        "(?:(?:a++)?)*b",
        r"(\w+\s*){15}(?=end)",
        "(?>(a|aa)+)b",
        "(a|ab|b)+(?!c)x",
    ],
)
def test_explosive_regexes_that_need_backtracking_are_refused(regex: str) -> None:
    """With lookaround, a backreference or a possessive repetition only an engine that backtracks can run it."""
    with pytest.raises(FunctionError, match="for ever"):
        compile_java(regex)


LANGUAGE = (
    r"^(((([A-Za-z]{2,3}(-([A-Za-z]{3}(-[A-Za-z]{3}){0,2}))?)|[A-Za-z]{4}|[A-Za-z]{5,8})(-([A-Za-z]{4}))?(-([A-Za-z]{2}|[0-9]{3}))?"
    r"(-([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*(-([0-9A-WY-Za-wy-z](-[A-Za-z0-9]{2,8})+))*(-(x(-[A-Za-z0-9]{1,8})+))?)|(x(-[A-Za-z0-9]{1,8})+)|"
    r"((en-GB-oed|i-ami|i-bnn)|(art-lojban|zh-min|zh-min-nan)))$"
)


def test_the_pattern_of_language_tags_is_taken() -> None:
    """Adobe's stock field groups hold this pattern for languages."""
    compiled = compile_java(LANGUAGE)
    tags = ["en", "en-US", "zh-Hant-TW", "sl-rozaj-biske-1994", "de-x-private", "en-GB-oed", "x-whatever"]
    assert all(compiled.search(tag) for tag in tags)
    assert not any(compiled.search(tag) for tag in ["", "e", "english language", "en_US", "en-", "-en", "de-1"])


@pytest.mark.parametrize(
    ("regex", "text", "found"),
    [
        ("(?i)s", "\u017f", False), ("(?i)k", "\u212a", False), ("(?i)é", "É", False), ("(?i)É", "É", True), ("(?i)[^a-c]", "B", False),
        (r"(?i)(ab)\1", "abAB", True), ("(?i)[a-]", "A", True), (r"(?i)\x61", "A", True), (r"(?i)\Qa.B\E", "A.b", True), ("(?i:a)b", "AB", False),
        ("((?i:a)b)c", "Abc", True), ("((?i:a)b)c", "AbC", False),
    ],
)  # fmt: skip
def test_case_is_ignored_as_java_does(regex: str, text: str, found: bool) -> None:
    """Of ASCII letters only, and only where the flag holds."""
    assert (compile_java(regex).fullmatch(text) is not None) == found


def test_groups_of_long_text_are_where_they_are() -> None:
    """Without backtracking places are counted in characters, whatever their bytes."""
    text = "é" * 3_000 + "a" * 2_000 + "!ü"
    match = compile_java("((a+)+)(!)(x)?").search(text)
    assert match is not None
    assert (match.span(0), match.span(3), match.span(4)) == ((3_000, 5_001), (5_000, 5_001), (-1, -1))
    assert (match[3], match.groups()[2:], match.group()[-2:]) == ("!", ("!", None), "a!")


@pytest.mark.parametrize(
    ("regex", "text"),
    [
        ("(a+)+$", "a" * 300 + "\n"),
        (r"\b(\w+\s*)+!", "é" * 300),
        ("(a+)+b", "\ud800" * 300),
        ("(a+)+b", "a" * 20_001),
        ("(a+)+b", "\u017f" * 300),
    ],
)
def test_where_no_engine_can_tell_what_java_would_the_text_is_refused(regex: str, text: str) -> None:
    """An end of a line, a word beyond ASCII or half of a pair: rather null than a guess."""
    compiled = compile_java(regex)
    assert not compiled.fits(text)
    with pytest.raises(FunctionError):
        compiled.search(text)


def test_a_repeated_group_that_may_be_empty_is_not_guessed() -> None:
    """Java leaves the empty last round in the group, RE2 the one before: for long text the group is an error, the match is not."""
    match = compile_java("((a*)*b)").search("a" * 5_000 + "b")
    assert match is not None
    assert match.end() == 5_001
    with pytest.raises(FunctionError):
        match.groups()


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
    began = time.thread_time()
    for text in ("a" * 200 + "!", "a," * 100 + "\n", "1." * 100 + "x", "a " * 100 + "!"):
        compiled.search(text)
    assert time.thread_time() - began < 2


@pytest.fixture(scope="module")
def _tables_of_categories() -> None:
    """They are made at first use, once: that is not any one example's time, nor that of those who only read this file."""
    compile_java(r"\pL")


@pytest.mark.usefixtures("_tables_of_categories")
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
        compile_java(",").split("a," * 10_001)
