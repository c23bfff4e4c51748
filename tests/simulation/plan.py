"""What neighbouring seeds share out among themselves, so that a few of them have met everything, whatever each draws.

A seed's share depends on its number alone: it is the same in whatever run it is played, and when it is played alone.
"""

from random import Random


def dealt(seed, what, cards):
    """One of ``cards``: they are shuffled and dealt to as many seeds in a row, so 2n - 1 seeds in a row hold each of n cards."""
    deal, place = divmod(seed, len(cards))
    cards = list(cards)
    Random(f"{what}/{deal}").shuffle(cards)
    return cards[place]


def share(seed, what, cards, *, seeds):
    """What one of so many seeds in a row gets when ``cards`` are shuffled and dealt out to them: 2n - 1 in a row hold every card."""
    deal, place = divmod(seed, seeds)
    cards = list(cards)
    Random(f"{what}/{deal}").shuffle(cards)
    return cards[place::seeds]
