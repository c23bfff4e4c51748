"""A first mapping set for a customer's schema, from its fields and real sample events.

Names are matched by their words (``campaignId`` and ``event_attributes.campaign_id``), and a match counts only when the
schema's own check takes what it gives for every sample: kinds, enums, formats, patterns and bounds. What every MoEngage
stream needs (``_id``, ``timestamp``, ``eventType``, identities) is proposed as calculated fields. Nothing is proposed below
maps, or below arrays but for arrays of objects built whole. Fields without a match are listed with candidates, not filled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from bridge.mapping.compiler.schema_fields import SchemaFields, schema_path, tenants_of
from bridge.mapping.lint.name_likeness import resemblance
from bridge.mapping.sets.mapping_set import MappingRow, MappingSet
from bridge.mapping.syntax.paths import Key, parse_path, print_path
from bridge.mapping.workshop.proposal.fit import Checking, Fit
from bridge.mapping.workshop.proposal.rows import Draft, Writer, covers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bridge.mapping.workshop.samples import Samples
    from bridge.model.rules import Rules

_LEAST: Final = 0.3
_CANDIDATES: Final = 3
_TWINS: Final = {
    "id": "event_uuid",
    "time": "event_time",
    "identities.externalId": "uid",
    "identities.email": "email_id",
    "identities.phone": "mobile_number",
    "identities.moengageUserId": "user_attributes.moengage_user_id",
}
"""Canonical names, and MoEngage's own for the same value: whoever uses the one has used the other."""


class ProposalSchema(SchemaFields, Checking, Protocol):
    """What a proposal asks of a schema: its fields, and its check."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A source that might be meant: its path, how alike the names are (0 to 1), and a value of it."""

    source: str
    score: float
    example: Any


@dataclass(frozen=True, slots=True)
class Proposal:
    """The rows and the mapping set they make, the destinations that nothing was found for, and source paths that no row uses.

    ``tenant``: the schema's root that became ``{tenant}``, None when it has none. ``candidates``: for unmapped destinations what
    might be meant. ``left_open``: destinations whose row was taken back, each with the reason. ``questions``: destinations whose rows to
    read twice, and why.
    """

    drafts: tuple[Draft, ...]
    mapping_set: MappingSet
    tenant: str | None
    unmapped: Sequence[str]
    unused: Sequence[str]
    candidates: dict[str, list[Candidate]]
    left_open: dict[str, str]
    questions: dict[str, str]


def propose(
    schema: ProposalSchema, samples: Samples, rules: Rules, *, event_type: str | None, all_codes: bool = False
) -> Proposal:
    """A mapping set for ``schema``. ``event_type``: the expression that decodes MoEngage's event codes, when it is known.

    Without ``all_codes`` only the codes that occur in the samples are kept of it.
    """
    roots = tenants_of(schema)
    tenant = roots[0] if len(roots) == 1 else None
    writer = Writer(samples, Fit(schema, samples.given, rules), schema, tenant, all_codes=all_codes)
    fields = [field for field in schema.fields() if ".*" not in field.path and "[*]" not in field.path]
    unmapped: list[str] = []
    misfits: dict[str, str] = {}
    for field in fields:
        if writer.has_above(field.path):
            continue
        if field.path == "identityMap":
            writer.identities()
        elif field.type != "object" and not writer.field(field, event_type):
            unmapped.append(field.path)
            if (why := writer.misfit(field)) is not None:
                misfits[field.path] = why
    incomplete = _without_incomplete(writer.drafts, fields)
    unmapped += incomplete
    left_open = incomplete | misfits
    return Proposal(
        tuple(writer.drafts),
        _mapping_set(writer.drafts),
        tenant,
        unmapped,
        _unused(writer.drafts, samples),
        _candidates(unmapped, writer, samples),
        left_open,
        _questions(writer.drafts),
    )


def without_rows(proposal: Proposal, reasons: dict[int, str], samples: Samples) -> Proposal:
    """The proposal without the rows at these lines; each is listed as left open with its reason."""
    rows = list(zip(proposal.drafts, proposal.mapping_set.rows, strict=True))
    drafts = [draft for draft, row in rows if row.row not in reasons]
    gone = {draft.field: reasons[row.row] for draft, row in rows if row.row in reasons}
    return replace(
        proposal,
        drafts=tuple(drafts),
        mapping_set=_mapping_set(drafts),
        unmapped=[*proposal.unmapped, *gone],
        unused=_unused(drafts, samples),
        left_open={**proposal.left_open, **gone},
        questions=_questions(drafts),
    )


def without_written(proposal: Proposal, written: Sequence[str], sources: Sequence[str]) -> Proposal:
    """The proposal as it concerns somebody who has rows already: nothing of destinations and sources that they have."""
    return replace(
        proposal,
        unmapped=[path for path in proposal.unmapped if not covers(written, path)],
        left_open={path: why for path, why in proposal.left_open.items() if not covers(written, path)},
        questions={path: why for path, why in proposal.questions.items() if not covers(written, path)},
        unused=[path for path in proposal.unused if not any(path in source for source in sources)],
    )


def _questions(drafts: Iterable[Draft]) -> dict[str, str]:
    return {draft.field: draft.question for draft in drafts if draft.question}


def _mapping_set(drafts: Iterable[Draft]) -> MappingSet:
    return MappingSet(
        tuple(
            MappingRow(number, draft.source_type, draft.source, draft.destination, None, draft.description)
            for number, draft in enumerate(drafts, start=2)
        ),
        "",
    )


def _without_incomplete(drafts: list[Draft], fields: Sequence[Any]) -> dict[str, str]:
    """Take back rows below objects that require a field which has no row: such an object would be refused whole."""
    gone: dict[str, str] = {}
    while True:
        faults = dict(_incomplete(drafts, fields))
        taken = [draft for draft in drafts if any(_is_below(draft.field, above) for above in faults)]
        if not taken:
            return gone
        for draft in taken:
            drafts.remove(draft)
            above = next(above for above in faults if _is_below(draft.field, above))
            gone[draft.field] = f"{above} requires {faults[above]}, for which nothing was found"


def _incomplete(drafts: Sequence[Draft], fields: Sequence[Any]) -> Iterator[tuple[str, str]]:
    written = [draft.field for draft in drafts]
    for field in fields:
        path = parse_path(field.path)
        if not field.required or len(path) < 2:
            continue
        above = schema_path(path[:-1])
        if covers(written, field.path) or not any(_is_below(one, above) for one in written):
            continue
        if any(_is_below(one, field.path) for one in written):
            continue
        yield above, field.path


def _is_below(path: str, above: str) -> bool:
    return path.startswith((above + ".", above + "["))


def _unused(drafts: Sequence[Draft], samples: Samples) -> list[str]:
    used = {name for draft in drafts for name in draft.used}
    used |= {_TWINS[name] for name in used if name in _TWINS}
    return sorted(
        path for path in samples.paths
        if not any(path == one or _is_below(path, one) or _is_below(one, path) for one in used)
    )  # fmt: skip


def _candidates(unmapped: Sequence[str], writer: Writer, samples: Samples) -> dict[str, list[Candidate]]:
    """For each unmapped field the sources whose names have something in common and whose values the schema takes."""
    found: dict[str, list[Candidate]] = {}
    sources = [(print_path(path), path) for path in samples.kinds if all(isinstance(segment, Key) for segment in path)]
    for field in unmapped:
        target = parse_path(field)
        target = target[1:] if len(target) > 1 and target[0] == Key(writer.tenant or "") else target
        alike = [(score, text, path) for text, path in sources if (score := resemblance(target, path)) >= _LEAST]
        scored = sorted(alike, key=lambda one: (-one[0], one[1]))
        near = [
            Candidate(text, score, samples.example(path))
            for score, text, path in scored[:12]
            if writer.fit.accepts(field, path)
        ]
        if near:
            found[field] = near[:_CANDIDATES]
    return found
