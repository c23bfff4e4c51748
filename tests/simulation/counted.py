"""What the notes of the committed offsets say of the events before them, held against the truth."""

from bridge.model.day_counts import OffsetNote
from simulation.account import BrokenPromiseError, Fate


def check_counts(world):
    """Every event between the note's beginning and its offset is counted once, whatever was killed meanwhile.

    What retention took may have been settled before or not, as far as a worker has told that it was not committed, and damaged
    batches count by the place: there the counts are bounds.
    """
    coordinator = world.cluster.coordinator
    for partition, offset in coordinator.committed.items():
        note = OffsetNote.from_text(coordinator.notes[partition])
        if note is None:
            if coordinator.notes[partition]:
                raise BrokenPromiseError(f"the note of {partition} cannot be read: {coordinator.notes[partition]}")
            continue
        told = sum(counts.events for counts in note.days.values())
        events = world.account.between(partition, note.since, offset)
        asked = [event for event in events if event.fate is not Fate.NOTHING]
        unsure = {id(event) for event in asked if event.aside or world.account.was_told(event)}
        sure = len(asked) - len(unsure)
        most = len(asked)
        if any(event.aside for event in asked):
            world.count("counts with damaged places")
        if not sure <= told <= most:
            raise BrokenPromiseError(
                f"{partition} from {note.since} to {offset}: {told} events are counted, and {sure} to {most} were there"
            )
        delivered = sum(counts.delivered for counts in note.days.values())
        if delivered < sum(id(e) not in unsure and not e.letters for e in asked):
            raise BrokenPromiseError(f"{partition}: only {delivered} events are counted as delivered")
        world.count("counts are exact" if sure == most else "counts are within bounds")
