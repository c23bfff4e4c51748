"""Coroutines as tests whose loop's clock jumps to the next timer: a machine that stands still for seconds lets none of their waits end early."""

import asyncio
import functools

from bridge.testing.virtual_loop import VirtualLoop


def in_virtual_time(test):
    """Run it with a loop of its own, in which all that is ready runs before any time passes."""

    @functools.wraps(test)
    def run(*arguments, **named):
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(test(*arguments, **named))

    return run
