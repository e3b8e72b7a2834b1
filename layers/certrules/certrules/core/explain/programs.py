"""Explanations of programs: which course is carried by what since when, what is missing, and what would complete it.

Nothing is decided here. Instants are in UTC.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from certrules.core.programs.certificates import CertificateChange, Certificates
from certrules.core.programs.definitions import AWARDING, ProgramCourse, ProgramDefinition
from certrules.core.programs.outcome import Carrier, ProgramAction, ProgramOutcome, ProgramPending, missing_in
from certrules.core.programs.preview import ActionPreview, HiddenProgram, ProgramsPreview
from certrules.core.programs.publication import PublishedProgram, next_program_publication
from certrules.core.programs.reasons import REASONS, ProgramCause, ProgramCertificateStatus, ProgramReason
from certrules.core.terms import Status
from certrules.core.wording import credit_to, listed, status_text, when

BECAUSE: Mapping[ProgramCause, str] = {
    ProgramCause.EARNED: "every course is satisfied",
    ProgramCause.REINSTATED: "the certificates that carried it are back",
    ProgramCause.COURSE_LOST: "a course is no longer satisfied by any certificate",
    ProgramCause.DEFINITION_CHANGED: "the definition changed, and the certificates don't satisfy the new one",
    ProgramCause.DEFINITION_GAP: "the definition has a gap",
    ProgramCause.PROGRAM_WITHDRAWN: "the program was deleted, or is no longer published",
    ProgramCause.NEVER_EARNED: "facts that came late show that it was never earned",
}
"""Why a program certificate has its status, or why its revocation is pending, as the end of a sentence."""


class CourseFinding(NamedTuple):
    """What carries a course of a program, or what is missing in it."""

    course: str
    course_run: str | None  # whose certificate carries it; None: none does
    since: datetime | None  # UTC: when that certificate was earned
    reason: ProgramReason | None  # what is missing
    sentence: str
    remedy: str  # who can do what; empty if it is carried
    course_runs: tuple[str, ...]  # a certificate in any of these satisfies it


class ProgramExplanation(NamedTuple):
    """Whether a learner has completed a program as of an instant, explained."""

    learner_id: int
    program: str  # uuid
    title: str
    type: str
    as_of: datetime  # UTC
    status: ProgramCertificateStatus | None  # None: never awarded
    sentence: str  # the status and why
    awarded_at: datetime | None  # UTC
    first_awarded_at: datetime | None  # UTC
    pending: ProgramPending | None
    courses: tuple[CourseFinding, ...]
    reasons: tuple[ProgramReason, ...]  # what is missing, sorted; empty if it is awarded
    next_steps: tuple[str, ...]  # what would complete it, or keep it; empty if nothing is missing
    defined_at: datetime  # UTC: since when the definition holds


def explain_program(
    learner_id: int,
    outcome: ProgramOutcome,
    certificates: Certificates,
    as_of: datetime,
    published: PublishedProgram | None = None,
    actions: Sequence[ProgramAction] = (),
) -> ProgramExplanation:
    """Explain a program of a learner as of an instant (UTC), by its outcome then and the learner's certificates.

    If `as_of` is now, give what was published, and what people did with its pending revocation: a program certificate
    that is retained although the facts do not carry it is then explained as the learner has it.
    """
    state, retained = PublishedProgram(outcome.status, outcome.awarded_at, outcome.first_awarded_at), False
    state = state._replace(transitions=outcome.transitions, pending=outcome.pending)
    if published is not None:
        state, _, retained = next_program_publication(published, outcome, as_of, actions)
    definition = outcome.definition.definition
    latest = _latest(certificates, as_of)
    courses = tuple(_finding(course, outcome.courses[course.key], definition, latest) for course in definition.courses)
    is_awarded = state.status is ProgramCertificateStatus.AWARDED
    return ProgramExplanation(
        learner_id=learner_id,
        program=definition.uuid,
        title=definition.title,
        type=definition.type,
        as_of=as_of,
        status=state.status,
        sentence=_sentence(state, outcome, retained=retained),
        awarded_at=state.awarded_at,
        first_awarded_at=state.first_awarded_at,
        pending=state.pending,
        courses=courses,
        reasons=() if is_awarded else outcome.reasons,
        next_steps=tuple(_next_steps(state, definition, courses)),
        defined_at=outcome.definition.at,
    )


def _latest(certificates: Certificates, as_of: datetime) -> dict[str, CertificateChange]:
    """Return the certificates as they are then, by course run."""
    past = {run: [change for change in changes if change.at <= as_of] for run, changes in certificates.items()}
    return {run: changes[-1] for run, changes in past.items() if changes}


# --- a course


def _finding(
    course: ProgramCourse,
    carrier: Carrier | None,
    definition: ProgramDefinition,
    certificates: Mapping[str, CertificateChange],
) -> CourseFinding:
    if carrier is not None:
        since, course_run = carrier
        sentence = f"{course.key}: carried by the certificate in {course_run}, earned on {when(since)}."
        return CourseFinding(course.key, course_run, since, None, sentence, "", course.course_runs)
    reason = missing_in(course, certificates)
    found = {run: certificates[run] for run in course.course_runs if run in certificates}
    return CourseFinding(
        course.key,
        None,
        None,
        reason,
        f"{course.key}: {_missing_text(reason, found)}.",
        _remedy(reason, course, definition),
        course.course_runs,
    )


def _missing_text(reason: ProgramReason, found: Mapping[str, CertificateChange]) -> str:
    if reason is ProgramReason.NO_COURSE_RUNS:
        return "the definition lists no course runs"
    if reason is ProgramReason.NO_CERTIFICATE:
        return "the learner has no certificate in any of its course runs"
    if reason is ProgramReason.MODE_NOT_ACCEPTED:
        usable = {run: change for run, change in found.items() if change.status is Status.DOWNLOADABLE}
        return _each("is in a mode that the program does not accept", {run: item.mode for run, item in usable.items()})
    return _each("is not downloadable", {run: status_text(change.status) for run, change in found.items()})


def _each(what: str, values: Mapping[str, str]) -> str:
    found = listed([f"{course_run} ({value})" for course_run, value in values.items()])
    return f"the learner's certificate {what} in {found}"


def _remedy(reason: ProgramReason, course: ProgramCourse, definition: ProgramDefinition) -> str:
    remedy = REASONS[reason].remedy
    if reason is ProgramReason.NO_CERTIFICATE:
        return f"{remedy} They are {listed([*course.course_runs])}."
    if reason is ProgramReason.MODE_NOT_ACCEPTED:
        return (
            f"{remedy} Accepted: {listed(sorted(definition.accepted))}. Course runs: {listed([*course.course_runs])}."
        )
    return remedy


# --- the program


def _sentence(state: PublishedProgram, outcome: ProgramOutcome, *, retained: bool) -> str:
    """Return in one sentence what the learner has, since when, and why."""
    if state.status is None:
        return f"There is no program certificate because {_lacking(outcome)}."
    if state.status is ProgramCertificateStatus.REVOKED:
        last = state.transitions[-1]
        by = credit_to(last.actor)
        return f"The program certificate was revoked on {when(last.at)} because {BECAUSE[last.cause]}{by}."
    assert state.awarded_at is not None
    stays = "stays awarded as it was published" if retained else "is awarded"
    completed = f"the program was completed on {when(state.awarded_at)}"
    return f"The program certificate {stays}; {completed}{_pending_clause(state.pending)}."


def _lacking(outcome: ProgramOutcome) -> str:
    """Return what is missing, as the end of a sentence."""
    definition = outcome.definition.definition
    lacking = [] if definition.status in AWARDING else [f"the program is {definition.status}"]
    if not definition.courses:
        lacking.append("its definition lists no courses")
    unmet = [course for course, carrier in outcome.courses.items() if carrier is None]
    if unmet:
        are = "is" if len(unmet) == 1 else "are"
        lacking.append(f"{len(unmet)} of {len(outcome.courses)} courses {are} not satisfied ({listed(unmet)})")
    return listed(lacking)


def _pending_clause(pending: ProgramPending | None) -> str:
    if pending is None:
        return ""
    because = BECAUSE[pending.cause]
    if pending.due is None:
        return f"; its revocation is held for a person to decide because {because}"
    return (
        f"; its revocation has been pending since {when(pending.since)} because {because}"
        f", and takes effect on {when(pending.due)} unless one satisfies it first"
    )


_TO_KEEP: Mapping[ProgramCause, str] = {
    ProgramCause.COURSE_LOST: "The learner earns a certificate in the course, or gets the lost one back.",
    ProgramCause.DEFINITION_CHANGED: "It stays. If the definition is wrong, whoever runs the catalog corrects it.",
    ProgramCause.DEFINITION_GAP: REASONS[ProgramReason.NO_COURSES].remedy,
    ProgramCause.PROGRAM_WITHDRAWN: "It stays. If that is wrong, whoever runs the catalog sends the definition again.",
    ProgramCause.NEVER_EARNED: "It stays. If the learner completes the program, it is awarded as of then.",
}
"""What is done about a pending revocation, by its cause."""

BY_PERSON = "A person may end it: support discards the revocation, or releases it."


def _next_steps(
    state: PublishedProgram, definition: ProgramDefinition, courses: Sequence[CourseFinding]
) -> Iterator[str]:
    """Yield what would complete a program, or keep its certificate."""
    is_awarded = state.status is ProgramCertificateStatus.AWARDED
    if is_awarded and state.pending is None:
        return
    if state.pending is not None:
        yield _TO_KEEP[state.pending.cause]
    elif definition.status not in AWARDING:
        yield REASONS[ProgramReason(f"program_{definition.status}")].remedy
    if not definition.courses and not is_awarded:
        yield REASONS[ProgramReason.NO_COURSES].remedy
    for course in courses:
        if course.remedy:
            yield f"{course.course}: {course.remedy}"
    if state.pending is not None:
        yield BY_PERSON


# --- before an act


def preview_sentences(preview: ProgramsPreview) -> tuple[str, ...]:
    """Return a sentence for each program certificate that would fall, stay or be hidden."""
    return (
        *(
            f"{item.title}: the program certificate falls {_when_due(item.due)}"
            f" because nothing satisfies {listed([*item.courses])} any more."
            for item in preview.falling
        ),
        *(
            f"{item.title}: the program certificate stays because "
            + listed([f"{carrier.course} is carried by {carrier.course_run}" for carrier in item.carriers])
            + "."
            for item in preview.surviving
        ),
        *(
            f"{item.title}: the program certificate stays and is hidden until "
            f"{when(item.visible_from)}, the available date of {item.course_run}."
            for item in preview.hidden
        ),
    )


def action_sentences(preview: ActionPreview) -> tuple[str, ...]:
    """Return what a person's action on a pending revocation would do, and what stays."""
    assert preview.was_pending is not None
    because = BECAUSE[preview.was_pending.cause]
    if preview.takes_away:
        first = f"{preview.title}: the program certificate is revoked at once because {because}."
    elif preview.pending is None:
        first = (
            f"{preview.title}: the program certificate stays, although {because}; "
            "its revocation becomes pending again only if something else is missing."
        )
    else:
        first = f"{preview.title}: the program certificate stays, and its revocation is pending until a person decides."
    return (
        first,
        *(f"{course}: nothing satisfies it any more." for course in preview.unmet),
        *(f"{item.course}: it stays carried by the certificate in {item.course_run}." for item in preview.carriers),
        "The certificates in course runs, and other program certificates, stay as they are.",
    )


def hidden_sentence(hidden: HiddenProgram) -> str:
    """Return why a program certificate that the learner has is not shown yet."""
    return (
        f"It is hidden until {when(hidden.visible_from)}, the available date of {hidden.course_run}: a program "
        "certificate is shown from the latest date of all its course credentials on."
    )


def _when_due(due: datetime | None) -> str:
    return "when a person decides" if due is None else f"on {when(due)}"
