"""The demo's stage kept running on somebody's own mapping set, schema and events: post, watch the files, post again."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import orjson

from bridge.demo.stage import DEAD_LETTERS
from bridge.kafka.dead_letters.following import follow_letters

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from bridge.demo.stage import DemoStage
    from bridge.model.dead_letter import DeadLetter

RELOAD_SECONDS = 0.5
_LOOK_SECONDS = 0.25
_TAKEN_SECONDS = 15.0
_RELOADS = "bridge_mapping_reloads_total"

Stamp = tuple[tuple[int, int], ...]


class Workbench:
    """One session. ``rules``: files that the worker reads anew; ``sources``: those that events come from. ``accepted`` is called with each ExperienceEvent that AEP took, ``refused`` with each dead letter, ``say`` with words.

    ``examine`` looks at the files and says what is wrong with them; ``bodies`` reads the events to post.
    """

    def __init__(
        self,
        stage: DemoStage,
        rules: Sequence[Path],
        sources: Sequence[Path],
        *,
        bodies: Callable[[], Sequence[bytes]],
        examine: Callable[[], None],
        accepted: Callable[[dict[str, Any]], None],
        refused: Callable[[DeadLetter], None],
        say: Callable[[str], None],
    ) -> None:
        self._stage = stage
        self._rules = rules
        self._sources = sources
        self._bodies = bodies
        self._examine = examine
        self._accepted = accepted
        self._refused = refused
        self._say = say
        self._shown: set[str] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Post, show what comes of it, and do so again whenever a file changes; until told to stop."""
        async with follow_letters(self._stage.bootstrap, DEAD_LETTERS) as arriving:
            letters = asyncio.create_task(self._letters(arriving))
            try:
                await self._watch(stop, letters)
            finally:
                letters.cancel()
                await asyncio.gather(letters, return_exceptions=True)

    async def _watch(self, stop: asyncio.Event, letters: asyncio.Task[None]) -> None:
        await self._post()
        rules, sources = _stamp(self._rules), _stamp(self._sources)
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _LOOK_SECONDS)
            self._show()
            if letters.done():
                letters.result()
            before = rules, sources
            rules, sources = _stamp(self._rules), _stamp(self._sources)
            if before != (rules, sources):
                await self._changed(reloads=before[0] != rules)

    async def _changed(self, *, reloads: bool) -> None:
        """A file has changed: say what is wrong with it, wait for the worker's word, and post the events again."""
        before = await self._reloads()
        self._say("--- a file has changed")
        self._examine()
        if reloads and not await self._is_in_use(before):
            return
        await self._post()

    async def _is_in_use(self, before: tuple[float, float]) -> bool:
        """Wait until the worker has said whether it takes the changed set; without a word it has found nothing to take."""
        for _ in range(round(_TAKEN_SECONDS / _LOOK_SECONDS)):
            taken, refused = await self._reloads()
            if refused > before[1]:
                self._say("the worker refuses the change and keeps the mapping set in use")
                return False
            if taken > before[0]:
                self._say("the worker uses the changed mapping set")
                return True
            await asyncio.sleep(_LOOK_SECONDS)
        return True

    async def _post(self) -> None:
        bodies = self._bodies()
        # The emulator keeps the first payload of an id: forgotten, so that the next one is seen.
        self._stage.emulator.received.clear()
        self._shown.clear()
        for body in bodies:
            await self._stage.scene.post(body)
        if bodies:
            self._say(f"--- posted {len(bodies)} bodies to the receiver")

    def _show(self) -> None:
        for identifier, payload in list(self._stage.emulator.received.payloads.items()):
            if identifier not in self._shown:
                self._shown.add(identifier)
                self._accepted(orjson.loads(payload))

    async def _letters(self, arriving: AsyncIterator[DeadLetter]) -> None:
        async for letter in arriving:
            self._refused(letter)

    async def _reloads(self) -> tuple[float, float]:
        """Changed sets that the worker has taken, and refused."""
        counts = await self._stage.scene.labelled("worker", _RELOADS, "result")
        return counts.get("taken", 0.0), counts.get("refused", 0.0)


def _stamp(files: Sequence[Path]) -> Stamp:
    found = []
    for path in files:
        try:
            stat = path.stat()
        except OSError:  # away for a moment while an editor replaces it
            found.append((0, 0))
        else:
            found.append((stat.st_mtime_ns, stat.st_size))
    return tuple(found)
