"""What is stored is what was known: timelines, certificates and decisions come back from their JSON as they were."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.core.certificate import Certificate, Pending, Transition
from certrules.core.decision import decide
from certrules.core.fact_types import Approval, Enrollment, Fact, Grade, IgnoredField, Recorded
from certrules.core.facts import Facts, Record
from certrules.core.guard import PublishedCertificate, PublishedTransition, next_publication
from certrules.core.instants import BEGINNING
from certrules.core.limits import stored_bytes
from certrules.core.older_grades import OlderGrades
from certrules.core.policy import PRESETS, Modes, Overrides, overridden, read_policies
from certrules.core.replay import replay
from certrules.core.terms import Actor, Cause, RevocationAction, Status, is_ccx, mode_of
from certrules.core.timeline import Entry, merge
from certrules.formats.stored import (
    decode_published,
    decode_timeline,
    encode_published,
    encode_timeline,
    entries_in,
    held_history_of,
    history_of,
)
from tests.scenes.histories import END, records

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_instants = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - see timezones
_event_ids = st.one_of(
    st.uuids().map(str),
    st.uuids().map(lambda event_id: str(event_id).upper()),
    st.text("~a-", min_size=1, max_size=5),
    _texts.filter(bool),
)
_modes = st.builds(Modes, st.frozensets(_texts.map(mode_of), max_size=3), all_but=st.booleans())
_overrides = st.builds(
    Overrides,
    st.none() | st.sampled_from([*PRESETS]),
    st.none() | _modes,
    st.none() | st.booleans(),
    st.none() | _modes,
    st.none() | st.timedeltas(timedelta(0), timedelta(365)),
    st.none() | st.integers(0, 10_000),
    st.none() | st.timedeltas(timedelta(0), timedelta(365)),
    st.none() | st.lists(_texts, max_size=3).map(tuple),
)
_statuses = st.sampled_from([*Status])
_some_time = st.none() | _instants

VALUES: dict[Fact, st.SearchStrategy[Any]] = {
    Fact.ENROLLMENT: st.builds(Enrollment, _texts.map(mode_of), st.booleans()),
    Fact.PASSING: st.booleans(),
    Fact.GRADE: st.builds(Grade, st.none() | st.floats(0, 2), _texts, st.booleans()),
    Fact.BETA_TESTER: st.booleans(),
    Fact.ALLOWLIST: st.booleans(),
    Fact.INVALIDATION: st.booleans(),
    Fact.DATE_OVERRIDE: _some_time,
    Fact.RECORDED: st.builds(Recorded, _statuses, _texts, _texts, _texts, _some_time, _some_time),
    Fact.ID_VERIFICATION: st.none() | st.builds(Approval, _some_time),
    Fact.REVOCATION: st.sampled_from([*RevocationAction]),
    Fact.AUTOMATIC_REVOCATIONS: st.booleans(),
    Fact.IGNORED_FIELD: st.builds(IgnoredField, st.sampled_from([*Fact]), _texts, _texts),
    Fact.OLDER_GRADES: st.builds(
        OlderGrades, st.integers(1, 9_999), _instants, st.none() | st.floats(0, 2), _some_time
    ),
}
SETTINGS: dict[str, st.SearchStrategy[Any]] = {
    "": st.just(value=True),
    "web_certificates_enabled": st.booleans(),
    "self_paced": st.booleans(),
    "display_behavior": st.sampled_from(["early_no_info", "end", "end_with_date", None]),
    "rollout": st.sampled_from(["off", "shadow", "live"]),
    "available_date": _some_time,
    "end": _some_time,
    "policy": st.none() | _overrides,
}


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Draw any entry."""
    fact = draw(st.sampled_from([*Fact]))
    if fact is Fact.COURSE_RUN:
        subject = draw(st.sampled_from([*SETTINGS]))
        value = draw(SETTINGS[subject])
    else:
        subject, value = draw(_texts), draw(VALUES[fact])
    if fact is Fact.GRADE and draw(st.booleans()):
        return Entry(draw(_instants), "", fact, "", value)
    actor = draw(st.tuples(_texts, _texts) | st.sampled_from([("ada", "n" * 250), ("", "m" * 250), ("b" * 250, "")]))
    return Entry(draw(_instants), draw(_event_ids), fact, subject, value, *actor)


_actors = st.builds(Actor, _texts, _texts)
_published = st.builds(
    PublishedCertificate,
    st.none() | st.builds(Certificate, _statuses, _texts, _texts, _texts, _some_time, _some_time),
    st.lists(st.builds(PublishedTransition, _instants, _statuses, st.sampled_from([*Cause])), max_size=3).map(tuple),
    st.none() | st.builds(Pending, st.sampled_from([*Cause]), _instants, _some_time, _actors),
    st.just(BEGINNING) | _instants.map(lambda at: at.replace(microsecond=0)),
    st.integers(0, 9_000),
)


@given(st.lists(entries(), max_size=20), st.lists(entries(), max_size=3))
def test_a_timeline_comes_back_as_it_was(some: list[Entry], more: list[Entry]) -> None:
    more = [entry for entry in more if some and some[0].event_id and entry.event_id]
    several_of_one_event = [entry._replace(at=some[0].at, event_id=some[0].event_id) for entry in more]
    timeline = merge((), [*some, *several_of_one_event])

    found = decode_timeline(encode_timeline(timeline))

    assert found == timeline
    assert [type(entry.value) for entry in found] == [type(entry.value) for entry in timeline]
    assert merge(found, timeline) is found


@given(st.lists(entries(), max_size=20))
def test_the_limit_counts_at_least_the_bytes_that_are_stored(some: list[Entry]) -> None:
    timeline = merge((), some)
    actual = len(encode_timeline(timeline).encode())
    assert actual <= stored_bytes(timeline) <= actual + 260 * len(timeline) + 2


LONG = {"by": "ada", "notes": "the same long reason " * 10}


@pytest.mark.parametrize("places", [0, -1, 2])
def test_a_reference_to_no_entry_is_refused(places: int) -> None:
    with pytest.raises(ValueError, match="places before"):
        decode_timeline(f'[[1,"a","a","",true],[1,"b","a","",true,{places}]]')


def test_a_long_note_that_several_entries_have_is_stored_once() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    timeline = merge((), [Entry(at, f"e{number:02}", Fact.ALLOWLIST, "", True, **LONG) for number in range(30)])
    known = timeline[:15]

    text = encode_timeline(timeline)

    assert text.count(LONG["notes"]) == 1
    assert decode_timeline(text) == timeline
    assert encode_timeline(timeline, encode_timeline(known), known) == text


@given(st.lists(entries(), max_size=10), st.lists(entries(), max_size=5))
def test_a_timeline_that_is_added_to_is_stored_as_if_it_were_written_again(
    some: list[Entry], more: list[Entry]
) -> None:
    known = merge((), some)
    timeline = merge(known, [*more, *(entry._replace(fact=Fact.GRADE, value=Grade(1, "A")) for entry in some[-1:])])

    assert encode_timeline(timeline, encode_timeline(known), known) == encode_timeline(timeline)


@given(_published, st.integers(0), st.integers(0))
def test_what_was_published_comes_back_as_it_was(published: PublishedCertificate, one: int, other: int) -> None:
    assert decode_published(encode_published(published, one, other, 7)) == (published, [one, other, 7])


def test_what_an_earlier_release_published_is_read() -> None:
    stored = '[["downloadable","verified","0.9","abc",2,1],[[1,"downloadable","earned"]],null,1,2,3]'
    published, based_on = decode_published(stored)
    assert (published.published_at, based_on) == (BEGINNING, [1, 2, 3])
    assert published.is_ours


POLICIES = read_policies(
    [
        {"since": "2026-01-01T00:00:00Z", "preset": "edx-2021"},
        {"since": "2026-01-01T02:10:00Z", "preset": "open-edx", "version": "2026-b", "hold_seconds": 1200},
        {"since": "2026-01-01T04:00:00Z", "preset": "open-edx-idv", "version": "2026-c"},
    ]
)


def taken_again(item: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Take the decision of a history item again, from nothing but what it holds and the dated policies."""
    decision = item["decision"]
    as_of = datetime.fromisoformat(decision["as_of"])
    evidence = entries_in(decision["evidence"])
    overrides = [entry.value for entry in evidence if (entry.fact, entry.subject) == (Fact.COURSE_RUN, "policy")]
    (*_, deployed) = (policy for since, policy in POLICIES if since <= as_of)
    policy = overridden(deployed, (overrides or [None])[-1])
    assert policy.version == decision["policy"]
    facts = {**decision["facts"], "invalidations": frozenset(decision["facts"].get("invalidations", ()))}
    again = decide(Facts(as_of=as_of, policy=policy, **{"percent": None, **facts}))
    return sorted(again.unmet), sorted(again.waived)


def rests_on_what_it_names(item: dict[str, Any], record: Record) -> bool:
    """Return whether the facts that decided are in evidence, each with its event."""
    stated = {(entry.fact, entry.subject): entry for entry in entries_in(item["decision"]["evidence"])}
    known = {(entry.event_id, entry.fact, entry.subject): entry for entry in record.timeline}
    facts = item["decision"]["facts"]
    lines = {"mode": Fact.ENROLLMENT, "passed": Fact.PASSING, "allowlisted": Fact.ALLOWLIST}
    by_letter = (Fact.GRADE, "") in stated and stated[Fact.GRADE, ""].value.may_mean_passed
    return (
        all(
            (fact, "") in stated or (fact is Fact.PASSING and by_letter)
            for name, fact in lines.items()
            if facts.get(name) is not None
        )
        and all((Fact.INVALIDATION, subject) in stated for subject in facts.get("invalidations", ()))
        and facts.get("ccx", False) == is_ccx(record.course_run)
        and all(
            entry == known[entry.event_id, entry.fact, entry.subject]._replace(by="", notes="")
            for entry in stated.values()
        )
    )


@given(records())
def test_a_decision_taken_again_from_history_comes_out_the_same(record: Record) -> None:
    outcome = replay(record, POLICIES, END)
    publication = next_publication(PublishedCertificate(), outcome, "c0ffee", BEGINNING)

    for transition in publication.new_transitions:
        item = json.loads(history_of(transition, record))
        assert taken_again(item) == (item["decision"]["unmet"], item["decision"]["waived"])
        assert item["decision"]["unmet"] == sorted(transition.decision.unmet)
        assert rests_on_what_it_names(item, record)
        assert describes(item, transition)


def describes(item: dict[str, Any], transition: Transition) -> bool:
    """Return whether a history item has all of a transition."""
    return (item["status"], item["previous"], item["cause"], item.get("by", ""), item.get("reason", "")) == (
        transition.status,
        transition.previous,
        transition.cause,
        *transition.actor,
    )


@given(records())
def test_a_held_revocation_is_stored_with_the_decision_that_it_rests_on(record: Record) -> None:
    outcome = replay(record, POLICIES, END)
    certificate = Certificate(Status.DOWNLOADABLE, "verified", "", "c0ffee", END, END)
    pending = Pending(Cause.NEVER_EARNED, END, None)

    item = json.loads(held_history_of(pending, certificate, record, outcome.decision))

    assert (item["kind"], item["cause"], item["certificate"]["id"]) == ("held", "never_earned", "c0ffee")
    assert taken_again(item) == (sorted(outcome.decision.unmet), sorted(outcome.decision.waived))
