"""Sends dead letters back to where they were consumed from.

A replay remembers how far it came in a consumer group of its own (:mod:`bridge.kafka.dead_letters.replay_marks`) and commits only after
Kafka has confirmed what it sent: interrupted, it goes on from there, and at worst repeats a little. What was sent once is not
sent again, also by a replay with another filter. ``bridge.replays`` counts how often a letter has been round, so that an event
which is refused every time does not go round forever. The worker maps a replayed event with the mapping it uses then.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.kafka.dead_letters.received_anew import records_of_letter
from bridge.kafka.dead_letters.replay_marks import MAX_REPLAYS, Mark, Marks, group_of, load_marks, why_kept
from bridge.kafka.dead_letters.stored_letters import Filter, Stored, open_letters, up_to
from bridge.kafka.group_offsets import OffsetKeeper
from bridge.kafka.producer.refusal import RefusedByKafka
from bridge.model.dead_letter import PREFIX, Form, own_headers
from bridge.model.record import record_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.model.ports import Decoder, Publisher
    from bridge.model.record import Record
    from bridge.settings import KafkaSettings


@dataclass(slots=True)
class Replayed:
    """What a replay did, or would do: letters by stage and code, why others stayed, and how many had been sent before."""

    sent: Counter[tuple[str, str]] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    before: int = 0


@dataclass(slots=True)
class Chosen:
    """Of a run of letters: what to send by topic, offsets of those that stay for a reason of their topic's, and how far it goes."""

    upto: int
    records: dict[str, list[tuple[Stored, Record]]] = field(default_factory=dict)
    left: list[int] = field(default_factory=list)


async def replay(
    kafka: KafkaSettings,
    publisher: Publisher | None,
    wanted: Filter,
    decoder: Decoder,
    *,
    most: int | None = None,
    max_replays: int = MAX_REPLAYS,
    again: bool = False,
) -> Replayed:
    """Send letters that fit back to their topic, ``most`` at most; without a publisher only count (a dry run).

    ``again`` sends those too that have been sent before. A letter that its topic does not take (the dead letters' may take
    larger records) stays, and does not stop the others.
    """
    limit = None if publisher is None else publisher.limit
    done = Replayed()
    asked = (wanted, max_replays)
    marks = Marks((), decoder) if again else await load_marks(kafka, decoder, asked)
    async with open_letters(kafka) as (consumer, ends), OffsetKeeper(kafka, group_of(kafka, *asked), ends) as keeper:
        for partition, end in ends.items():
            mark = marks.of(partition.partition, *asked) or Mark(partition.partition, 0, *asked)
            done.before += mark.sent
            consumer.assign([partition])
            if mark.upto:
                consumer.seek(partition, mark.upto)
            else:
                await consumer.seek_to_beginning(partition)
            async for batch in up_to(consumer, partition, end):
                chosen = _choose(
                    batch,
                    wanted,
                    done,
                    topic=kafka.topic,
                    most=most,
                    max_replays=max_replays,
                    limit=limit,
                    decoder=decoder,
                    replayed=marks.replayed,
                )
                if publisher is not None:
                    sent = await _send(publisher, chosen, done)
                    mark = mark.moved(chosen.upto, sent=sent, left=chosen.left)
                    await keeper.keep({partition: (mark.upto, mark.to_metadata())})
                if most is not None and done.sent.total() >= most:
                    return done
    return done


async def _send(publisher: Publisher, chosen: Chosen, done: Replayed) -> int:
    """Send what was chosen; how many letters were. One of which its topic refuses a record after all stays."""
    sent = 0
    for topic, some in chosen.records.items():
        refused: set[int] = set()
        try:
            await publisher.publish([record for _, record in some], topic=topic)
        except RefusedByKafka as refusal:
            refused = {each.number for each in refusal.refused}
        left = {some[number][0].offset: some[number][0] for number in refused}
        sent += len({stored.offset for stored, _ in some}) - len(left)
        for stored in left.values():
            chosen.left.append(stored.offset)
            done.sent[stored.letter.stage, stored.letter.code] -= 1
            done.kept["refused by the topic"] += 1
    return sent


def _choose(
    batch: Sequence[Stored],
    wanted: Filter,
    done: Replayed,
    *,
    topic: str,
    most: int | None,
    max_replays: int,
    limit: Callable[[str], int] | None = None,
    decoder: Decoder | None = None,
    replayed: Callable[[Stored], bool] = lambda _stored: False,
) -> Chosen:
    """What of the letters to send, and how far they were looked at."""
    chosen = Chosen(batch[0].offset)
    for stored in batch:
        if most is not None and done.sent.total() >= most:
            break
        chosen.upto = stored.offset + 1
        letter = stored.letter
        if not wanted.fits(letter, decoder):
            done.kept["not asked for"] += 1
        elif (why := why_kept(stored, max_replays)) is not None:
            done.kept[why] += 1
        elif replayed(stored):
            done.before += 1
        else:
            headers = [*own_headers(stored.headers), (PREFIX + "replays", b"%d" % (letter.replays + 1))]
            if letter.form == Form.XDM:
                # The worker must not map it once more.
                headers.append((PREFIX + "form", Form.XDM.encode()))
            records, source = records_of_letter(letter, headers, decoder), letter.topic or topic
            if limit is not None and max(map(record_bytes, records)) > limit(source):
                done.kept["larger than the topic accepts"] += 1
                chosen.left.append(stored.offset)
                continue
            done.sent[letter.stage, letter.code] += 1
            chosen.records.setdefault(source, []).extend((stored, record) for record in records)
    return chosen
