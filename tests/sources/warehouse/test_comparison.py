"""Rows against what was accepted of them: found new, changed, refused, sent once, gone; on disk, and removed with the run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.errors import BridgeError
from bridge.sources.warehouse import comparison as module
from bridge.sources.warehouse import work_folder as work_folder_module
from bridge.sources.warehouse.comparison import Comparison, RowFinding
from bridge.sources.warehouse.marks import GONE, MarkState, RowMark, Sent, sent_of
from bridge.sources.warehouse.rows import Row
from bridge.sources.warehouse.work_folder import lies_in_memory, work_folder

MEMORY = Path("/dev/shm")  # noqa: S108 - only looked at
DISK = Path("/var/tmp")  # noqa: S108 - only looked at
ROOT = Path(__file__).resolve().parents[3]


def row(key: str, hashed: str = "h") -> Row:
    """A row of which only key and hash count."""
    return Row(key, hashed, b"{}", key)


def mark(  # noqa: PLR0917 - in the order of the mark
    key: str,
    hashed: str = "h",
    run: str = "1",
    state: MarkState = MarkState.ACCEPTED,
    code: str = "",
    customer: str = "",
):
    """A mark as the worker writes it."""
    return key.encode(), RowMark(hashed, run, state, code, customer).to_bytes()


@pytest.fixture
def compared(tmp_path):
    """An empty comparison."""
    with Comparison(tmp_path) as made:
        yield made


def test_findings(compared):
    """Each row is found to be what its mark makes it."""
    compared.marked(
        [
            mark("same"),
            mark("other", "before"),
            mark("refused", "h", state=MarkState.REFUSED, code="c"),
            mark("left", "h", state=MarkState.LEFT_OUT, code="consent"),
            mark("gone", GONE),
        ]
    )
    keys = ["new", "same", "other", "refused", "left", "gone", "new"]
    assert compared.compare([row(key) for key in keys]) == [
        RowFinding.NEW,
        RowFinding.UNCHANGED,
        RowFinding.CHANGED,
        RowFinding.AGAIN,
        RowFinding.UNCHANGED,
        RowFinding.NEW,
        RowFinding.DUPLICATE,
    ]
    assert compared.compare([row("same")]) == [RowFinding.DUPLICATE]


def test_full(compared):
    """A full run sends what has not changed, too."""
    compared.marked([mark("a")])
    assert compared.compare([row("a")], full=True) == [RowFinding.CHANGED]


def test_each_key_once(tmp_path):
    """Of mode insert a key that was accepted is never sent again, whatever its row says; what was refused is."""
    with Comparison(tmp_path, once=True) as compared:
        compared.marked([mark("a"), mark("b", state=MarkState.REFUSED)])
        compared.under_way([Sent("c", "other", "0")])
        found = compared.compare([row("a", "changed"), row("b", "changed"), row("c"), row("d")])
        assert found == [RowFinding.SENT_ONCE, RowFinding.AGAIN, RowFinding.UNDER_WAY, RowFinding.NEW]


def test_given_up(tmp_path):
    """A row that was given up is left alone as it is, and tried when it changes."""
    with Comparison(tmp_path, given_up={"a": "h", "b": "before"}) as compared:
        compared.marked([mark("a", state=MarkState.REFUSED), mark("b", state=MarkState.REFUSED)])
        assert compared.compare([row("a"), row("b")]) == [RowFinding.GIVEN_UP, RowFinding.AGAIN]


def test_under_way_until_marked(compared):
    """What was sent waits for its own mark: neither another run's, nor another state of the row ends it."""
    compared.under_way([Sent("a", "h", "2"), Sent("b", "h", "2"), Sent("a", "h", "2")])
    assert compared.open == 2
    assert compared.marked([mark("a", "h", "1"), mark("a", "other", "2"), mark("x", "h", "2")]) == 0
    assert compared.waiting(5) == ["a", "b"]
    assert compared.marked([mark("a", "h", "2"), mark("b", "h", "2", MarkState.REFUSED, "code")]) == 2
    assert compared.open == 0
    assert compared.ended == {("accepted", ""): 1, ("refused", "code"): 1}
    assert compared.refused(5) == [("b", "code")]
    assert compared.count_refused() == {"code": 1}


def test_a_row_that_waits_in_kafka(compared):
    """A row of a run that died is not sent again while it waits as it is, and is where it has changed since."""
    compared.marked([mark("a", "old"), mark("b", "old")])
    compared.under_way([Sent("a", "h", "2"), Sent("b", "older", "2")])
    assert compared.compare([row("a"), row("b")]) == [RowFinding.UNDER_WAY, RowFinding.CHANGED]


def test_back_to_what_was_accepted_while_another_state_waits(compared):
    """A row that is again what was accepted, while another state of it waits in Kafka, has to be sent: that one comes later."""
    compared.marked([mark("a", "h")])
    compared.under_way([Sent("a", "other", "2")])
    assert compared.compare([row("a", "h")]) == [RowFinding.CHANGED]


def test_the_later_run_counts(compared):
    """Of two customers' marks of one key that of the later run counts, in whatever order they are read; equal ones in theirs."""
    compared.marked([mark("a", "new", "2", customer="asha")])
    compared.marked([mark("a", "old", "1", customer="ravi")])
    assert compared.compare([row("a", "new")]) == [RowFinding.UNCHANGED]
    compared.marked([mark("b", "x", "2"), mark("b", "y", "2")])
    assert compared.compare([row("b", "y")]) == [RowFinding.UNCHANGED]


@pytest.mark.parametrize("customer", ["", "asha"])
def test_an_earlier_state_of_a_row_that_was_sent_again_is_what_counts(compared, customer):
    """Its dead letter was replayed after a newer state was accepted: the destination has the old one now, and gets the newer one again."""
    compared.marked([mark("a", "new", "2", customer=customer)])
    compared.marked([mark("a", "old", "1", customer=customer)])
    assert compared.compare([row("a", "new")]) == [RowFinding.CHANGED]


def test_vanished(compared):
    """Rows that were sent and not met are gone, each with its customer; once told they are no more."""
    compared.marked(
        [
            mark("here"),
            mark("gone", customer="C"),
            mark("told", GONE),
            mark("failed", GONE, state=MarkState.REFUSED),
            mark("refused", "h", state=MarkState.REFUSED),
        ]
    )
    compared.compare([row("here")])
    assert compared.count_vanished() == (3, 4)
    assert list(compared.vanished()) == [[("failed", "failed"), ("gone", "C"), ("refused", "refused")]]
    compared.under_way([Sent("gone", GONE, "2")])
    assert list(compared.vanished()) == [[("failed", "failed"), ("refused", "refused")]]
    compared.marked([mark("gone", GONE, "2")])
    assert compared.open == 0
    assert compared.count_vanished() == (2, 3)


def test_refused_keys(compared):
    """Rows that were refused and not met are known by their keys."""
    compared.marked([mark("a", state=MarkState.REFUSED), mark("b", state=MarkState.REFUSED), mark("c")])
    compared.compare([row("a")])
    assert list(compared.refused_keys()) == [["b"]]
    assert compared.hashes_of(["a", "b", "c"]) == {"a": "h", "b": "h"}


def test_pages(compared, monkeypatch):
    """More keys than a page come in pages, also while they are sent."""
    monkeypatch.setattr(module, "_PAGE_ROWS", 3)
    compared.marked([mark(f"k{n}") for n in range(10)])
    seen = []
    for page in compared.vanished():
        compared.under_way([Sent(key, GONE, "2") for key, _ in page])
        seen += [key for key, _ in page]
    assert seen == [f"k{n}" for n in range(10)]
    assert compared.open == 10


def test_what_is_no_mark(compared):
    """A topic may hold what others wrote, and what later versions write; a key that is forgotten is new again."""
    compared.marked([(b"a", b"nonsense"), (b"b", b"{}"), (b"\x00meta", b"x"), mark("c"), (b"d", b"[1]")])
    compared.marked([(b"c", None), (b"never", None)])
    assert compared.compare([row("a"), row("c")]) == [RowFinding.NEW, RowFinding.NEW]


def test_not_sent_after_all(compared):
    """What Kafka would not take is not under way."""
    compared.under_way([Sent("a", "h", "2")])
    compared.not_sent(["a"])
    assert compared.open == 0


def test_nothing_is_left_of_a_run_that_is_killed(tmp_path):
    """The file is gone with its process, however that ends, and serves until then though it outgrows what memory holds of it."""
    script = (
        "import sys\nfrom pathlib import Path\nfrom bridge.sources.warehouse.comparison import Comparison, RowFinding\n"
        "from bridge.sources.warehouse.marks import Sent\n"
        "with Comparison(Path(sys.argv[1])) as made:\n"
        "    for first in range(0, 200_000, 2_000):\n"
        "        made.under_way([Sent(f'k{n}', 'h' * 32, 'run') for n in range(first, first + 2_000)])\n"
        "    print(len(made.waiting(300_000)), flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"200000\n"
        child.kill()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written(tmp_path):
    """It is told which one, and what names another."""
    with pytest.raises(BridgeError, match="nothing can be written"), Comparison(tmp_path / "nowhere"):
        pass


def test_memory_is_no_disk(tmp_path, monkeypatch):
    """A folder that lies in memory is told apart, and another one is taken."""
    assert lies_in_memory(MEMORY) == MEMORY.exists()
    monkeypatch.setattr(work_folder_module, "lies_in_memory", lambda folder: folder != DISK)
    assert work_folder(None) == DISK
    assert work_folder(tmp_path) == tmp_path


def test_headers_and_back():
    """What a record's headers say is what was sent."""
    sent = Sent("kéy", "h", "run")
    assert sent_of(sent.headers()) == sent
    assert sent_of([("bridge.row", b"k")]) is None
    assert sent_of([("bridge.row", b"\xff"), ("bridge.hash", b"h"), ("bridge.run", b"r")]) is None
    assert sent_of([("bridge.row", b""), ("bridge.hash", b"h"), ("bridge.run", b"r")]) is None


@given(
    st.text(max_size=40),
    st.text(max_size=40),
    st.sampled_from(MarkState),
    st.text(max_size=20),
    st.text(max_size=20),
)
def test_marks_and_back(hashed, run, state, code, customer):
    """A mark that is stored is read as it was."""
    made = RowMark(hashed, run, state, "" if state is MarkState.ACCEPTED else code, customer)
    assert RowMark.from_bytes(made.to_bytes()) == made
