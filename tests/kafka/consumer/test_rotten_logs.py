"""A log that rots at any place, read to its end: nothing is passed without a word, and what is behind it comes where that is wanted."""

import itertools

import pytest
from rotten_log import Disk, read_through

_BASE, _LENGTH, _MAGIC, _CRC, _BODY = range(8), range(8, 12), (16,), (17, 20), (21, 26, 60, 70)
_BITS = (0x01, 0x08, 0xFF)


def _rotten(victim, at, bits, *, indexed, by_base):
    disk = Disk(indexed=indexed, by_base=by_base)
    for _ in range(5):
        disk.append()
    disk.batches[victim][at] ^= bits
    return disk


@pytest.mark.parametrize("set_aside", [False, True])
@pytest.mark.parametrize("victim", [0, 1, 4])
@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize("by_base", [False, True])
async def test_whatever_rots_is_held_or_told(set_aside, victim, indexed, by_base):
    """Each field of a batch's head, and its records: every offset before the position came, was set aside or is told as gone."""
    for at, bits in itertools.product((*_BASE, *_LENGTH, *_MAGIC, *_CRC, *_BODY), _BITS):
        if (set_aside, victim, at, bits) == (True, 4, 7, 0x08):
            continue  # the last batch seems to begin a little earlier: nothing behind it shows that, and as many are told as gone
        disk = _rotten(victim, at, bits, indexed=indexed, by_base=by_base)
        found = await read_through(disk, set_aside=set_aside)
        assert found.lost(disk.end) == [], (at, bits)
        assert found.position == disk.end or found.held, (at, bits)


@pytest.mark.parametrize("victim", [0, 1, 2, 4])
@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize("by_base", [False, True])
async def test_what_stands_at_a_wrong_place_is_set_aside_and_all_behind_it_comes(victim, indexed, by_base):
    """Whatever the batch's offset has become: also where the broker gives it first from then on, and what has come since as well."""
    others = {b"v%d" % offset for offset in range(60) if offset // 10 != victim}
    for at, bits in itertools.product((*_BASE, *_CRC, 30, 70), (0x10, 0xFF)):
        disk = _rotten(victim, at, bits, indexed=indexed, by_base=by_base)
        found = await read_through(disk, set_aside=True)
        assert (found.position, found.values & others) == (60, others), (at, bits)


@pytest.mark.parametrize("victim", [0, 2])
async def test_by_default_what_is_before_it_comes_and_the_rest_waits(victim):
    """The place that is told is its own, not that of the sound batch in front of it."""
    for at, bits in itertools.product((*_BASE, 20, 70), (0x80, 0xFF)):
        disk = _rotten(victim, at, bits, indexed=True, by_base=True)
        found = await read_through(disk, set_aside=False)
        if found.position < disk.end:
            assert (found.position, found.held, found.told) == (victim * 10, True, []), (at, bits)
            assert found.values == {b"v%d" % offset for offset in range(victim * 10)}
