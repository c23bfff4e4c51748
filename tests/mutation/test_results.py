"""The results of `make mutants` that are kept in the repository: of today's code, without survivors, and what the document shows."""

import json

import pytest

from mutation import results
from mutation.judge import Judged, Verdict
from mutation.mutations import mutants_of
from mutation.results import Stage, changed_since, equivalents, found_before, mutants_of_role, not_judged, read, table
from mutation.roles import ROLES, Role

NOT_JUDGED = 0.25
"""A change need not wait for another run, and the table gives the day; `make mutants ARGS=--stale` names each mutant that is newer."""
JUDGED = [role for role in ROLES if read(role) is not None]
"""A role that has never been judged stands in the table as such."""
SOURCE = "def f(a):\n    if a > 1:\n        return 2\n    return a == 3\n"


@pytest.mark.parametrize("role", JUDGED, ids=lambda role: role.name)
def test_results_are_of_about_the_code_that_is_there(role):
    """At most a quarter of a role's mutants may be newer than its row of the table, and no survivor is left."""
    stale = not_judged(role)
    assert len(stale) <= NOT_JUDGED * len(mutants_of_role(role)), (
        f"{len(stale)} mutants of the role {role.name} have not been judged: run make mutants ARGS=\"--only '{role.name}'\","
        f" then make generated. The first of them: {stale[:3]}"
    )
    assert read(role)["survivors"] == []


def test_equivalents_are_few_and_have_a_reason():
    """One in twenty at most, each with a sentence, and each of the code that is there."""
    listed = equivalents()
    exist = {mutant.key for role in ROLES for mutant in mutants_of_role(role)}
    assert all(len(reason.split()) > 4 for reason in listed.values())
    assert len(listed) <= 0.05 * len(exist)
    assert set(listed) <= exist, f"no such mutant (any more): {sorted(set(listed) - exist)}"


def test_the_counts_of_a_role_add_up():
    """Every mutant is found, equivalent or a survivor."""
    for role in JUDGED:
        found = read(role)
        every = found["found_by_patch"] + found["found_by_import"] + len(found["equivalent"]) + len(found["survivors"])
        assert every == found["mutants"], role.name
        assert len(found_before(found)) == found["found_by_patch"] + found["found_by_import"]


@pytest.fixture
def role(tmp_path, monkeypatch):
    """A role of one module, with a test that names the killer of all its mutants, judged once."""
    (tmp_path / "m.py").write_text(SOURCE)
    (tmp_path / "test_m.py").write_text("def test_one():\n    pass\n")
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(results, "ROOT", tmp_path)
    monkeypatch.setattr(results, "module_path", lambda module: tmp_path / f"{module}.py")
    made = Role("one", ("m",))
    monkeypatch.setattr(results, "ROLES", (made,))
    first, second, *rest = mutants_of("m", SOURCE)
    stages = [Stage(Judged(each, Verdict.KILLED, 1, 0.1, "test_m.py::test_one[x]"), by_patch=True) for each in rest]
    stages.append(Stage(Judged(first, Verdict.TIMED_OUT, 1, 0.1, "test_m.py::test_one[y]"), by_patch=False))
    results.write(made, [first, second, *rest], {second.key: "why"}, stages, date="2026-11-26", commit="abc")
    return made


def test_results_say_which_test_finds_which_mutant(role):
    """Written and read again: by what, of which kind, and the table's row."""
    first, second, *rest = mutants_of("m", SOURCE)
    assert found_before(read(role)) == {
        first.key: "test_m.py::test_one[y]",
        **{each.key: "test_m.py::test_one[x]" for each in rest},
    }
    assert read(role)["equivalent"] == [second.key]
    assert f"| one | {2 + len(rest)} | {len(rest)} | 1 | 1 | 0 | `test_m.py` | 2026-11-26 |" in table()
    assert not_judged(role) == []


def test_what_changed_since_counts_as_not_judged(role, tmp_path):
    """A new line, and a test that is gone; lines that only moved are the same mutants."""
    (tmp_path / "m.py").write_text("# moved\n" + SOURCE)
    assert not_judged(role) == []
    (tmp_path / "m.py").write_text(SOURCE + "LIMIT = 7\n")
    assert not_judged(role) == ["m: [constant] 7 => 0 #1"]
    (tmp_path / "test_m.py").write_text("def test_two():\n    pass\n")
    assert len(not_judged(role)) == len(mutants_of_role(role)) - 1, "all but the one that is equivalent"


def test_code_that_changed_around_its_mutants_is_to_be_judged_anew(role, tmp_path):
    """A call that is made elsewhere now leaves every mutant its name; words and layout change nothing."""
    (tmp_path / "m.py").write_text(f'"""Words."""\n# More.\n{SOURCE}'.replace("a > 1", "(a > 1)"))
    assert changed_since(role) == []
    (tmp_path / "m.py").write_text(SOURCE.replace("def f(a)", "def f(a, b)"))
    assert (changed_since(role), not_judged(role)) == (["m"], [])


def test_a_survivor_is_written_as_such(role):
    """It stands in the file by its key, and is not among those that are found."""
    first, *_ = every = mutants_of("m", SOURCE)
    stages = [Stage(Judged(first, Verdict.SURVIVED, 3, 0.1), by_patch=False)]
    results.write(role, every, {}, stages, date="2026-11-26", commit="abc")
    assert read(role)["survivors"] == [first.key]
    assert found_before(read(role)) == {}
    assert json.loads(results.path_of(role).read_text())["found_by_import"] == 0


def test_a_role_that_was_never_judged_says_so(role):
    """In the table, and by all of its mutants."""
    results.path_of(role).unlink()
    assert "| one | not judged |" in table()
    assert not_judged(role) == [mutant.key for mutant in mutants_of_role(role)]
    assert changed_since(role) == ["m"]
