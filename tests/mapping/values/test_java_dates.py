"""Date patterns agree with Java's own DateTimeFormatter and SimpleDateFormat, each where docs/decisions/dates.md follows it.

``PYTHONPATH=tests/support python tests/mapping/values/test_java_dates.py`` writes the fixed vectors again (needs a JDK of version 17).
"""

from __future__ import annotations

import json
import random
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from java_programs import JAVA, answers_of

from bridge.mapping.values.dates.conversion import epoch_formatter, formatter, parser, zone
from bridge.mapping.values.failures import FunctionError

DATA = Path(__file__).parents[2] / "data"
VECTORS = DATA / "java_dates.json"

ZONES = ("UTC", "America/Los_Angeles", "Europe/Paris", "Asia/Kolkata", "Europe/Dublin", "America/Sao_Paulo",
         "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns", "Asia/Tokyo", "Europe/London")  # fmt: skip
OFFSETS = ("+02:00", "-05:30", "+09:00")

# Letters and widths at which docs/decisions/dates.md follows the one class, or at which both agree.
FORMATTER = ("G", "GGG", "GGGG", "GGGGG", "y", "yy", "yyy", "yyyy", "YY", "YYYY", "M", "MM", "MMM", "MMMM", "MMMMM", "L", "LL",
             "LLL", "LLLL", "w", "ww", "W", "D", "DD", "DDD", "d", "dd", "E", "EEE", "EEEE", "EEEEE", "a", "H", "HH", "k",
             "kk", "K", "KK", "h", "hh", "m", "mm", "s", "ss", "SSS", "SSSS", "SSSSSS", "SSSSSSSSS", "Z", "ZZZ", "ZZZZ",
             "ZZZZZ", "X", "XX", "XXX", "XXXX", "XXXXX", "VV", "O", "OOOO", "Q", "QQ", "QQQ", "QQQQ", "q", "qqq",
             "qqqq")  # fmt: skip
NAMED = ("z", "zz", "zzz", "zzzz")
SIMPLE = ("G", "y", "yy", "yyyy", "Y", "YYYY", "M", "MM", "MMM", "MMMM", "w", "ww", "W", "D", "DDD", "d", "dd", "ddd", "F", "FF",
          "u", "uu", "E", "EEE", "EEEE", "a", "H", "HH", "k", "K", "h", "hh", "m", "mm", "s", "ss", "S", "SS", "SSS", "z",
          "zzz", "zzzz", "Z", "XX", "XXX")  # fmt: skip
BETWEEN = (" ", "-", "/", ".", ":", "'T'", " 'o''clock' ", "''", ", ", "é")

DAYS = (
    "yyyy-MM-dd",
    "yyyyMMdd",
    "d/M/yyyy",
    "dd MMM yyyy",
    "EEE, d MMMM yyyy",
    "yyyy-DDD",
    "yy.MM.dd",
    "MMddyyyy",
    "QQQ MM dd yyyy",
)
TIMES = (
    " HH:mm",
    "'T'HH:mm:ss.SSS",
    " hh:mm:ss a",
    " h:mm a",
    "HHmmss",
    " kk:mm",
    " KK:mm a",
    " HH:mm[:ss]",
    " HH:mm:ss.SSSSSS",
)
OFFSET_LETTERS = ("", "X", "XX", "XXX", "Z", " O", "OOOO", "XXXXX", "ZZZZZ", "'['VV']'")

Case = tuple[str, str, str, str]
"""Kind, milliseconds or text, zone, pattern: a line of JavaDates.java."""


def printing(chance: random.Random, count: int) -> list[Case]:
    """Random patterns over random instants from 1938 to 2033 (the tz databases of machines differ in the future)."""
    cases = []
    for _ in range(count):
        kind = chance.choice(("DateTimeFormatter", "SimpleDateFormat"))
        place = chance.choice(ZONES + OFFSETS)
        letters = SIMPLE if kind == "SimpleDateFormat" else FORMATTER + (NAMED if place in ZONES else ())
        pattern = "".join(chance.choice(letters) + chance.choice(BETWEEN) for _ in range(chance.randint(1, 6)))
        place = f"GMT{place}" if kind == "SimpleDateFormat" and place in OFFSETS else place
        cases.append((kind, str(chance.randrange(-(10**12), 2 * 10**12)), place, pattern))
    return cases


def reading(chance: random.Random, count: int) -> list[Case]:
    """Text that our own formatter printed, half of it damaged by one wrong or one missing character."""
    cases = []
    for _ in range(count):
        pattern = chance.choice(DAYS) + chance.choice(TIMES) + chance.choice(OFFSET_LETTERS)
        instant = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(milliseconds=chance.randrange(10**12))
        text = formatter(pattern)(instant.astimezone(zone(chance.choice(ZONES))))
        if chance.random() < 0.5:
            at = chance.randrange(len(text))
            wrong = chance.choice("0123456789") if text[at].isdigit() and chance.random() < 0.7 else ""
            text = text[:at] + wrong + text[at + 1 :]
            if re.search(r"GMT[+-]\d\d?:[6-9]", text):
                continue  # of Java's offset letters O alone takes minutes over 59
        cases.append(("read", text, "", pattern))
    return cases


def ask_java(cases: list[Case]) -> list[str]:
    """Java's answer to every case."""
    lines = "".join("\t".join(case) + "\n" for case in cases)
    return answers_of("JavaDates", lines)


def ours(case: Case) -> str:
    """Our answer to a case."""
    kind, value, place, pattern = case
    if kind == "read":
        try:
            return str((parser(pattern)(value) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1))
        except FunctionError:
            return "!"
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(value))
    printed = formatter(pattern)(instant.astimezone(zone(place)))
    if place == "UTC":
        assert epoch_formatter(pattern)(int(value)) == printed
    return printed


def disagreements(cases: list[Case], answers: list[str]) -> list[tuple[Case, str, str]]:
    """Case, Java's answer and ours, where the two differ."""
    return [(case, answer, ours(case)) for case, answer in zip(cases, answers, strict=True) if ours(case) != answer]


def test_agrees_with_the_recorded_answers_of_java() -> None:
    """A fixed set of Java's answers holds on machines without Java."""
    recorded = json.loads(VECTORS.read_text("utf-8"))
    assert len(recorded) >= 1000
    assert not disagreements([tuple(line[:4]) for line in recorded], [line[4] for line in recorded])


@pytest.mark.skipif(JAVA is None, reason="needs a JDK")
def test_prints_as_java_prints() -> None:
    """Four thousand random patterns over random instants and zones come out as Java's own."""
    cases = printing(random.Random(20260901), 4000)
    assert not disagreements(cases, ask_java(cases))[:5]


@pytest.mark.skipif(JAVA is None, reason="needs a JDK")
def test_reads_as_java_reads() -> None:
    """Two thousand texts, half of them damaged, are taken or refused as DateTimeFormatter (strict) does."""
    cases = reading(random.Random(20260902), 2000)
    answers = ask_java(cases)
    assert answers.count("!") > 200
    assert not disagreements(cases, answers)[:5]


if __name__ == "__main__":
    fixed = printing(random.Random(1), 700) + reading(random.Random(2), 400)
    rows = [
        json.dumps([*case, answer], ensure_ascii=False) for case, answer in zip(fixed, ask_java(fixed), strict=True)
    ]
    VECTORS.write_text("[\n" + ",\n".join(rows) + "\n]\n", "utf-8")
    sys.stdout.write(f"{len(rows)} vectors\n")
