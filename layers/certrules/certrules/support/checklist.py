"""Why a course run can issue no certificates: a checklist over its configuration, its learners and its revocations."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from certrules import settings, storage
from certrules.core.dates import awaited_date
from certrules.core.explain.warnings import FieldWarning, warnings_of
from certrules.core.fact_types import Fact
from certrules.core.policy import Policies, Policy, overridden
from certrules.core.rollout import RolloutState, rollout_state
from certrules.core.terms import is_ccx
from certrules.core.timeline import Entry, Timeline
from certrules.core.wording import listed, old_logic_decides, when
from certrules.formats.key_spellings import other_spellings
from certrules.formats.messages import EVERYWHERE
from certrules.formats.standings import STEPS
from certrules.support.case_history import values_at
from certrules.support.similar_keys import similar_to
from certrules.support.standings import Summary


class _CourseRun(NamedTuple):
    """Everything that the checklist looks at."""

    key: str
    other_spellings: tuple[str, ...]  # known ones, if this one is not
    is_known: bool
    settings: Mapping[str, Any]
    policy: Policy
    rollout: RolloutState
    stops: list[Entry]  # of the kill switch, here and everywhere
    is_tripped: bool
    warnings: tuple[FieldWarning, ...]
    similar: list[str]  # known keys that may be meant, if nothing was received of this one
    learners: Summary


class CourseRunChecks(NamedTuple):
    """The checklist of a course run, and its outcome in a sentence."""

    checks: list[dict[str, Any]]
    state: Literal["fine", "look", "blocked", "unknown"]  # the worst: blocked, nobody can get a certificate
    headline: str
    is_known: bool  # whether anything was received, of the course run or of a learner in it

    @property
    def ok(self) -> bool:
        """Whether there is nothing to look at."""
        return all(check["ok"] for check in self.checks)


def course_run_checks(course_run: str, policies: Policies, now: datetime, learners: Summary) -> CourseRunChecks:
    """Return the checklist of a course run as of now (UTC) with its numbers: two requests, eight more if it is unknown.

    A course run of which nothing was received has one check: that.
    """
    found = _found(course_run, policies, now, learners)
    if not found.is_known and not learners.stored:
        alike = f" Known keys that are similar: {listed(found.similar)}." if found.similar else ""
        headline = f"Nothing was received of this course run: it is unknown here.{alike}"
        return CourseRunChecks([_known(found)], "unknown", headline, is_known=False)
    checks = [_modes_of_learners(found), *_configuration(found), _fields(found), *_revocations(found)]
    state, headline = _headline([check for check in checks if not check["ok"]])
    return CourseRunChecks(checks, state, headline, is_known=True)


def _headline(wrong: list[dict[str, Any]]) -> tuple[Literal["fine", "look", "blocked"], str]:
    """Return the worst state, and the outcome: what concerns most learners first, then what stands in the way."""
    by_part = {part: [check["sentence"] for check in wrong if check["about"] == part] for part in _PARTS}
    learners, configuration, revocations = by_part.values()
    sentences = [*learners]
    if configuration:
        sentences += ["Something in its configuration stands in the way:", *configuration]
    else:
        so_far = "Nothing in its configuration keeps certificates from being issued and shown."
        sentences.append(so_far if not wrong else f"{so_far[:-1]}, but:" if revocations else so_far)
    sentences += revocations
    state: Literal["fine", "look", "blocked"] = "blocked" if configuration else "look" if wrong else "fine"
    return state, " ".join(sentences)


_PARTS = ("learners", "configuration", "revocations")
"""What a check is about."""

_MANY = 0.5
"""From this share of the enrolled learners on, modes that earn no certificate are the answer for most tickets."""


def _found(course_run: str, policies: Policies, now: datetime, learners: Summary) -> _CourseRun:
    loaded = storage.load(course_runs=[course_run])
    timeline = loaded.course_runs[course_run].timeline
    values = {subject: value for (fact, subject), value in values_at(timeline, now).items() if fact is Fact.COURSE_RUN}
    deployed = next((policy for since, policy in reversed(policies) if since <= now), policies[0][1])
    policy = overridden(deployed, values.get("policy"))
    breaker = storage.load_breaker(course_run)
    keys = () if values else tuple(storage.course_runs())
    return _CourseRun(
        key=course_run,
        other_spellings=other_spellings(course_run, keys),
        is_known=bool(values),
        settings=values,
        policy=policy,
        rollout=rollout_state(timeline, settings.default_rollout()),
        stops=[stop for stop in map(_stop_in, (breaker.everywhere, timeline)) if stop is not None],
        is_tripped=breaker.tripped_at is not None and breaker.tripped_at > now - policy.breaker_window,
        warnings=warnings_of(timeline, now, policy),
        similar=similar_to(course_run, keys),
        learners=learners,
    )


def stopped_everywhere() -> Entry | None:
    """Return the entry that stops automatic revocations in all course runs; None if they take effect."""
    return _stop_in(storage.load_breaker(EVERYWHERE).everywhere)


def stopped_in(course_run: str) -> Entry | None:
    """Return the entry that stops automatic revocations in a course run itself; None if none does."""
    return _stop_in(storage.load(course_runs=[course_run]).course_runs[course_run].timeline)


def _stop_in(timeline: Timeline) -> Entry | None:
    """Return the last entry of the kill switch if it stops automatic revocations."""
    last = next((entry for entry in reversed(timeline) if entry.fact is Fact.AUTOMATIC_REVOCATIONS), None)
    return None if last is None or last.value else last


def _item(code: str, good: str, bad: str, fix: str, *, ok: bool, about: str = "configuration") -> dict[str, Any]:
    return {"code": code, "ok": ok, "sentence": good if ok else bad, "fix": "" if ok else fix, "about": about}


def _modes_of_learners(run: _CourseRun) -> dict[str, Any]:
    """Return whether most enrolled learners are in a mode that earns a certificate."""
    enrolled, ineligible, modes = 0, 0, Counter[str]()
    for standing, count in run.learners.standings():
        if standing.step > STEPS.index("received"):
            enrolled += count
        if standing.step == STEPS.index("enrolled"):
            ineligible += count
            modes[standing.mode] += count
    some = ", ".join(f"{mode} {count}" for mode, count in modes.most_common(3))
    share = ineligible / enrolled if enrolled else 0
    return _item(
        "learners_modes",
        f"{enrolled - ineligible} of {enrolled} enrolled learners are in a mode that earns a certificate.",
        f"{share:.0%} of enrolled learners ({ineligible} of {enrolled}) are in modes that earn no certificate: {some}.",
        "They upgrade, or support changes their modes. If these modes should earn one, an operator changes the policy.",
        ok=share < _MANY,
        about="learners",
    )


def _known(run: _CourseRun) -> dict[str, Any]:
    keys = listed([*run.other_spellings])
    meant = f"Is {keys} meant? It is known, and differs only in spelling. If not: " if keys else ""
    similar = f"Similar keys are {listed(run.similar)}. If none is meant: " if run.similar and not keys else ""
    return _item(
        "known",
        "The course run is known.",
        "The course run's configuration was never received.",
        f"{meant}{similar}Have the platform send certificates.course_run.configured.v1 for it.",
        ok=run.is_known,
    )


def _configuration(run: _CourseRun) -> Iterator[dict[str, Any]]:
    yield _known(run)
    yield _item(
        "rollout",
        "This service decides certificates in the course run (rollout: live).",
        old_logic_decides(run.rollout.rollout),
        "An operator goes live once both logics agree (certs rollout compare, certs rollout live).",
        ok=run.rollout.is_live,
    )
    if run.is_known:
        yield _item(
            "web_certificates",
            "Web certificates are on for the course run.",
            "Web certificates are off for the course run.",
            "The course team switches them on in the course's advanced settings.",
            ok=run.settings.get("web_certificates_enabled", True),
        )
    yield _item(
        "web_certificates_instance",
        "Web certificates are on for the deployment.",
        "Web certificates are off for the whole deployment.",
        "An operator sets the parameter WebCertificates to on.",
        ok=run.policy.web_certificates,
    )
    modes = run.policy.eligible_modes
    yield _item(
        "modes",
        f"The policy {run.policy.version} makes some enrollment modes eligible.",
        f"The policy {run.policy.version} makes no enrollment mode eligible.",
        "An operator corrects the policy.",
        ok=modes.all_but or bool(modes.names),
    )
    yield _item(
        "ccx",
        "It is an ordinary course run.",
        "It is a custom course (CCX): only the allowlist brings certificates.",
        "Put the learners on the allowlist, or award in the course that it was made of.",
        ok=not is_ccx(run.key),
    )
    if run.is_known:
        yield _dates(run)


def _dates(run: _CourseRun) -> dict[str, Any]:
    behavior = run.settings.get("display_behavior")
    awaited = None if run.settings.get("self_paced") else awaited_date(behavior)
    name = f"display behavior {behavior}" if behavior else "the course run has no display behavior, so it"
    return _item(
        "dates",
        "Certificates are shown when they are due.",
        f"Certificates are not shown: {name} waits for a date that is not set.",
        f"The course team sets the course run's {(awaited or '').replace('_', ' ')}, or its display behavior.",
        ok=awaited is None or run.settings.get(awaited) is not None,
    )


def _fields(run: _CourseRun) -> dict[str, Any]:
    return _item(
        "fields",
        "Every received field of the configuration makes sense.",
        " ".join(warning.sentence for warning in run.warnings),
        "The course team corrects these settings. Until then each stays as it was before, or is not set.",
        ok=not run.warnings,
    )


def _revocations(run: _CourseRun) -> Iterator[dict[str, Any]]:
    stop = run.stops[0] if run.stops else None
    where = f" since {when(stop.at)} by {stop.by}: {stop.notes}" if stop else ""
    yield _item(
        "automatic_revocations",
        "Automatic revocations take effect.",
        f"Automatic revocations are stopped{where}.",
        "Resume them once what is held was looked at (certs revocations resume).",
        ok=stop is None,
        about="revocations",
    )
    yield _item(
        "breaker",
        "The breaker has not tripped.",
        "The breaker holds automatic revocations: there were too many at once.",
        "Look at what is held, and release or discard it (certs held list).",
        ok=not run.is_tripped,
        about="revocations",
    )
