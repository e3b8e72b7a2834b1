"""Why a course run can issue no certificates: a checklist over its configuration."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from certrules import settings, storage
from certrules.core.fact_types import Fact
from certrules.core.policy import Policies, overridden
from certrules.core.rollout import RolloutState, rollout_state
from certrules.core.terms import is_ccx
from certrules.core.timeline import Entry, Timeline
from certrules.core.wording import old_logic_decides, when
from certrules.formats.messages import EVERYWHERE
from certrules.support.cases import values_at


def checks_of(course_run: str, policies: Policies, now: datetime) -> list[dict[str, Any]]:
    """Say what a course run's configuration allows: why can it issue no certificates, or show none? One request."""
    loaded = storage.load(course_runs=[course_run])
    timeline = loaded.course_runs[course_run].timeline
    values = values_at(timeline, now)
    deployed = next((policy for since, policy in reversed(policies) if since <= now), policies[0][1])
    policy = overridden(deployed, values.get((Fact.COURSE_RUN, "policy")))
    breaker = storage.load_breaker(course_run)
    terms = rollout_state(timeline, settings.default_rollout())
    stops = [stop for stop in map(_stop_in, (breaker.everywhere, timeline)) if stop is not None]
    tripped = breaker.tripped_at is not None and breaker.tripped_at > now - policy.breaker_window
    return list(_checks(course_run, values, policy, stops, terms, tripped=tripped))


def stopped_everywhere() -> Entry | None:
    """Return who stopped automatic revocations in all course runs, when and why; None if they take effect."""
    return _stop_in(storage.load_breaker(EVERYWHERE).everywhere)


def _stop_in(timeline: Timeline) -> Entry | None:
    """Return the last word on automatic revocations if it stops them."""
    last = next((entry for entry in reversed(timeline) if entry.fact is Fact.AUTOMATIC_REVOCATIONS), None)
    return None if last is None or last.value else last


def _checks(
    course_run: str,
    values: Mapping[tuple[Fact, str], Any],
    policy: Any,
    stops: list[Entry],
    terms: RolloutState,
    *,
    tripped: bool,
) -> Iterator[dict[str, Any]]:
    def check(code: str, good: str, bad: str, fix: str, *, ok: bool) -> dict[str, Any]:
        return {"code": code, "ok": ok, "sentence": good if ok else bad, "fix": "" if ok else fix}

    known = any(fact is Fact.COURSE_RUN for fact, _ in values)
    setting = {subject: value for (fact, subject), value in values.items() if fact is Fact.COURSE_RUN}
    modes = policy.eligible_modes
    yield check(
        "known",
        "The course run is known.",
        "The course run's configuration was never received.",
        "Have the platform send certificates.course_run.configured.v1 for it.",
        ok=known,
    )
    yield check(
        "rollout",
        "This service decides certificates in the course run (rollout: live).",
        old_logic_decides(terms.rollout),
        "An operator goes live once both logics agree (certs rollout compare, certs rollout live).",
        ok=terms.is_live,
    )
    yield check(
        "web_certificates",
        "Web certificates are on for the course run.",
        "Web certificates are off for the course run.",
        "The course team switches them on in the course's advanced settings.",
        ok=setting.get("web_certificates_enabled", True),
    )
    yield check(
        "web_certificates_instance",
        "Web certificates are on for the deployment.",
        "Web certificates are off for the whole deployment.",
        "An operator sets the parameter WebCertificates to on.",
        ok=policy.web_certificates,
    )
    yield check(
        "modes",
        f"The policy {policy.version} makes some enrollment modes eligible.",
        f"The policy {policy.version} makes no enrollment mode eligible.",
        "An operator corrects the policy.",
        ok=modes.all_but or bool(modes.names),
    )
    yield check(
        "ccx",
        "It is an ordinary course run.",
        "It is a custom course (CCX): only the allowlist brings certificates.",
        "Put the learners on the allowlist, or award in the course that it was made of.",
        ok=not is_ccx(course_run),
    )
    behavior = setting.get("display_behavior")
    awaited = {"end": "end", "end_with_date": "available_date"}.get(behavior or "")
    yield check(
        "dates",
        "Certificates are shown when they are due.",
        f"Certificates are not shown: display behavior {behavior} waits for a date that is not set.",
        f"The course team sets the course run's {(awaited or '').replace('_', ' ')}.",
        ok=bool(setting.get("self_paced")) or awaited is None or setting.get(awaited) is not None,
    )
    where = f" since {when(stops[0].at)} by {stops[0].by}: {stops[0].notes}" if stops else ""
    yield check(
        "automatic_revocations",
        "Automatic revocations take effect.",
        f"Automatic revocations are stopped{where}.",
        "Resume them once what is held was looked at (certs revocations resume).",
        ok=not stops,
    )
    yield check(
        "breaker",
        "The breaker has not tripped.",
        "The breaker holds automatic revocations: there were too many at once.",
        "Look at what is held, and release or discard it (certs held list).",
        ok=not tripped,
    )
