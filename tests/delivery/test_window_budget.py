"""A budget a minute against fixed windows of unknown phase, counted by the other side on its own."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from bridge.delivery.pace import Pace
from bridge.delivery.pace_board import ALIVE_SECONDS, Board, OwnAccount
from bridge.delivery.window_budget import WindowBudget

MINUTE = 60.0


class _Sender:
    """A process with ever so much to send, looked at every ``tick`` seconds."""

    def __init__(self, pace, units, busy, seed) -> None:
        self.pace, self.units, self.busy = pace, units, busy
        self.random = random.Random(seed)

    def send(self, now):
        """Units that leave now."""
        left = 0
        self.pace.tick(now)  # an idle process says that it lives, as a worker does each second
        while self.busy(now):
            weight = self.units
            if self.pace.reserve((weight, 0), now)[0]:
                break
            left += weight
        return left


def _budgets(units, largest=50):
    return (WindowBudget("users", units, MINUTE, largest), WindowBudget("events", 3 * units, MINUTE, largest))


def _arrivals(senders, seconds, latency, tick=0.05, stall=0.0):
    """When units arrive: each after a delay of its own, with the loop stalled now and then."""
    found, now, chance = [], 1_000.0, random.Random(7)
    while now < 1_000.0 + seconds:
        left = [sender.send(now) for sender in senders]
        found += [(now + latency(chance), units) for units in left if units]
        now += tick + (chance.random() * stall if chance.random() < 0.02 else 0)
    return found


def _by_window(arrivals, phase):
    windows: Counter[int] = Counter()
    for at, units in arrivals:
        windows[int((at - phase) // MINUTE)] += units
    return windows


@pytest.mark.parametrize("units", [10_000, 30_000, 60_000])
@pytest.mark.parametrize("phase", [0.0, 41.2])
def test_three_processes_of_which_one_has_nothing(units, phase) -> None:
    """At least 95 % of the budget leave in each full window, and none holds more than the budget."""
    board = Board.create()
    senders = [
        _Sender(Pace(_budgets(units), board.account("W", member), lambda: 1 / 3), 50, busy, member)
        for member, busy in ((1, lambda _: True), (2, lambda _: True), (3, lambda _: False))
    ]
    arrivals = _arrivals(senders, 250, lambda chance: 0.02 + chance.random() * 0.3, tick=0.1, stall=0.5)
    windows = _by_window(arrivals, phase)
    full = [windows[number] for number in sorted(windows)[1:-1]]
    assert max(windows.values()) <= units
    assert min(full) >= 0.95 * units


def test_a_burst_after_silence_stays_within() -> None:
    """What was not used before cannot be made up for within one window."""
    pace = Pace(_budgets(60_000), OwnAccount(), lambda: 1.0)
    sender = _Sender(pace, 50, lambda now: now % 47 < 30, 1)
    arrivals = _arrivals([sender], 400, lambda _: 0.05)
    assert max(max(_by_window(arrivals, phase).values()) for phase in (0.0, 10.0, 20.0, 30.0, 45.0)) <= 60_000


def test_without_a_common_board_each_has_its_share() -> None:
    """Processes of several machines know nothing of each other: their parts come to one."""
    senders = [_Sender(Pace(_budgets(60_000), OwnAccount(), lambda: 0.5), 50, lambda _: True, n) for n in range(2)]
    windows = _by_window(_arrivals(senders, 250, lambda _: 0.05), 3.0)
    assert max(windows.values()) <= 60_000
    assert windows[sorted(windows)[1]] >= 0.95 * 60_000


def test_a_budget_does_not_wait_for_another() -> None:
    """Events leave although users have to wait, as they count apart."""
    pace = Pace(_budgets(600), OwnAccount(), lambda: 1.0)
    while pace.reserve((50, 0), 100.0) == (0.0, ""):
        pass
    assert pace.reserve((0, 50), 100.0) == (0.0, "")
    seconds, name = pace.reserve((50, 0), 100.0)
    assert seconds > 0
    assert name == "users"


def test_a_pause_is_everybodys() -> None:
    """One 429 stops all processes of the account, and no other account."""
    board = Board.create()
    first, second = (Pace(_budgets(600), board.account("W", member), lambda: 0.5) for member in (1, 2))
    other = Pace(_budgets(600), board.account("X", 1), lambda: 1.0)
    first.pause(130.0)
    assert second.reserve((1, 0), 100.0) == (pytest.approx(30.0), "pause")
    assert second.paused_until() == 130.0
    assert other.reserve((1, 0), 100.0)[0] == 0
    assert second.reserve((1, 0), 130.0)[0] == 0


def test_the_part_of_a_process_that_ended_is_nobodys() -> None:
    """Its partitions go to others, whose parts grow by them."""
    board = Board.create()
    first, second = (board.account("W", member) for member in (1, 2))
    assert first.share(0.25, 100.0) == 0.25
    assert second.share(0.5, 100.0) == 0.75
    assert first.share(0.25, 101.0) == 0.75
    assert first.share(0.25, 100.0 + ALIVE_SECONDS + 1) == 0.25
    assert first.share(0.9, 100.0 + ALIVE_SECONDS + 1) == 0.9
    assert second.share(0.9, 100.0 + ALIVE_SECONDS + 1) == 1.0


def test_a_budget_of_nothing_is_off() -> None:
    """0 turns a budget off."""
    pace = Pace((WindowBudget("users", 0),), OwnAccount(), lambda: 1.0)
    assert not any(pace.reserve((1_000_000,), 1.0)[0] for _ in range(1_000))


def test_a_board_without_room_gives_an_account_of_ones_own() -> None:
    """More workspaces than there is room for are paced by their shares alone."""
    board = Board.create()
    accounts = [board.account(f"W{number}", 1) for number in range(70)]
    assert isinstance(accounts[-1], OwnAccount)
    assert not isinstance(accounts[0], OwnAccount)
