"""What support staff read first: the status in one sentence, and what learners see."""

from datetime import datetime

import pytest
from hypothesis import given

from certrules.core.explain import explanation as explaining
from certrules.core.explain.rendering import as_text
from certrules.core.fact_types import Fact
from certrules.core.facts import Record
from certrules.core.guard import PublishedCertificate, next_publication
from certrules.core.policy import Policies
from certrules.core.replay import replay
from certrules.core.terms import Cause, Status
from certrules.core.timeline import Entry, merge
from certrules.core.wording import RECORDS_BEGIN, dated
from certrules.formats.refusals import EARLIEST
from tests.scenes.explanations import EARNED, EDX, explained, published
from tests.scenes.histories import instants, policies, records
from tests.scenes.phrases import CCX, instant, qualifying, record_of

# --- the status, in one sentence


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        pytest.param(
            record_of(),
            "There is no certificate because no enrollment of the learner in this course run has "
            "been received, "
            "no approved ID verification of the learner has been received, the configuration of the "
            "course run "
            "has not been received and no grade that says whether the learner passes has been received.",
            id="nothing was ever heard",
        ),
        pytest.param(
            qualifying(course_run=CCX),
            "There is no certificate because the course run is a custom course of a coach (CCX) and "
            "awards no "
            "certificates.",
            id="a custom course of a coach",
        ),
        pytest.param(qualifying(), f"{EARNED}.", id="earned"),
        pytest.param(
            qualifying(("day 4", "enrolled in audit")),
            f"{EARNED}; what is unmet now does not take it away.",
            id="earned, and the mode changed since",
        ),
        pytest.param(
            qualifying(("day 2", "allowlisted by ada"), without=["grade"]),
            "The certificate has been downloadable since 2 January 2026 at 00:00 UTC because all "
            "requirements "
            "were met but for what the allowlist waives.",
            id="allowlisted",
        ),
        pytest.param(
            qualifying(("day 4", "invalidated by ada"), ("day 5", "invalidation lifted by bob")),
            "The certificate has been downloadable since 5 January 2026 at 00:00 UTC because all "
            "requirements "
            "were met again.",
            id="reinstated",
        ),
        pytest.param(
            qualifying(("day 2", "recorded downloadable"), without=["grade"]),
            "The certificate has been downloadable since 2 January 2026 at 00:00 UTC because the old logic "
            "recorded it so; what is unmet now does not take it away.",
            id="recorded by the old logic",
        ),
        pytest.param(
            qualifying(("day 1", "invalidated by ada"), ("day 2", "recorded downloadable"), without=["grade"]),
            "The certificate has been downloadable since 2 January 2026 at 00:00 UTC because the old logic "
            "recorded it so; its revocation is held for a person to decide because the old logic recorded it "
            "while an invalidation was active.",
            id="recorded by the old logic while invalidated",
        ),
        pytest.param(
            qualifying(("day 8 23:30", "failing")),
            f"{EARNED}; its revocation has been pending since 8 January 2026 at 23:30 UTC because the "
            f"grade fell "
            "to failing, and takes effect on 9 January 2026 at 00:30 UTC unless the learner passes "
            "again or is "
            "put on the allowlist first.",
            id="the grade fell just now",
        ),
        pytest.param(
            qualifying(
                ("day 2", "allowlisted by ada"),
                ("day 8 23:30", "allowlist entry removed by system:cleanup"),
                without=["grade"],
            ),
            "The certificate has been downloadable since 2 January 2026 at 00:00 UTC because all "
            "requirements "
            "were met but for what the allowlist waives; its revocation has been pending since 8 "
            "January 2026 "
            "at 23:30 UTC because the allowlist entry that it rested on was removed (by the software "
            "cleanup), "
            "and takes effect on 9 January 2026 at 00:30 UTC unless the learner is put on the "
            "allowlist or meets "
            "the other requirements first.",
            id="software removed the allowlist entry just now",
        ),
        pytest.param(
            qualifying(("day 4", "failing")),
            "The certificate has been not passing since 4 January 2026 at 01:00 UTC because the "
            "grade fell to "
            "failing and stayed failing.",
            id="the grade fell",
        ),
        pytest.param(
            qualifying(("day 4", "invalidated by ada")),
            "The certificate has been unavailable since 4 January 2026 at 00:00 UTC because it was "
            "invalidated "
            "(by ada).",
            id="invalidated",
        ),
        pytest.param(
            qualifying(("day 4", "invalidated by ada"), ("day 5", "failing")),
            "The certificate has been unavailable since 4 January 2026 at 00:00 UTC because it was "
            "invalidated "
            "(by ada); it is not downloadable now because the certificate is invalidated and the learner's "
            "grade is failing.",
            id="invalidated, and failing since",
        ),
        pytest.param(
            qualifying(("day 4", "exam final rejected")),
            "The certificate has been unavailable since 4 January 2026 at 00:00 UTC because an exam "
            "attempt was "
            "rejected.",
            id="an exam attempt rejected",
        ),
        pytest.param(
            qualifying(
                ("day 2", "allowlisted by ada"),
                ("day 4", "allowlist entry removed by bob"),
                without=["grade"],
            ),
            "The certificate has been not passing since 4 January 2026 at 00:00 UTC because the "
            "allowlist entry "
            "that it rested on was removed (by bob); it is not downloadable now because no grade that says "
            "whether the learner passes has been received.",
            id="a person removed the allowlist entry",
        ),
        pytest.param(
            qualifying(without=["ID verification"]),
            "The certificate has been unverified since 3 January 2026 at 00:00 UTC because no approved ID "
            "verification of the learner has been received.",
            id="unverified",
        ),
        pytest.param(
            qualifying(("day 4", "failing"), without=["ID verification"]),
            "The certificate became unverified on 3 January 2026 at 00:00 UTC; it is not downloadable now "
            "because no approved ID verification of the learner has been received and the learner's grade is "
            "failing.",
            id="unverified, and failing since",
        ),
        pytest.param(
            record_of(("day 2", "recorded audit_notpassing")),
            'The certificate has had the status "audit not passing" since 2 January 2026 at 00:00 '
            "UTC because "
            "the old logic recorded it so; it is not downloadable now because no enrollment of the "
            "learner in "
            "this course run has been received, no approved ID verification of the learner has been "
            "received, "
            "the configuration of the course run has not been received and no grade that says whether the "
            "learner passes has been received.",
            id="a status that only the old logic set",
        ),
    ],
)
def test_the_status_is_one_plain_sentence(record: Record, sentence: str) -> None:
    assert explained(record).sentence == sentence


def test_whoever_took_the_certificate_away_is_named_with_the_reason_given() -> None:
    notes = ' copied "everything"\nfrom a friend '
    entry = Entry(instant("day 4"), "e-4", Fact.INVALIDATION, "", value=True, by="ada", notes=notes)
    record = qualifying()
    explanation = explained(record._replace(timeline=merge(record.timeline, [entry])))
    assert explanation.sentence == (
        "The certificate has been unavailable since 4 January 2026 at 00:00 UTC because it was invalidated "
        "(by ada, with the note \"copied 'everything' from a friend\")."
    )
    assert explanation.timeline[-1].by == "ada"
    assert explanation.timeline[-1].reason == notes


def test_what_a_table_has_without_a_date_was_so_before_records_began() -> None:
    assert dated("Graded as failing", RECORDS_BEGIN) == "Graded as failing before records began."
    assert RECORDS_BEGIN == EARLIEST


def test_a_note_without_an_actor_is_reported_all_the_same() -> None:
    entry = Entry(instant("day 4"), "e-4", Fact.INVALIDATION, "final", value=True, notes="exam attempt rejected")
    record = qualifying()
    explanation = explained(record._replace(timeline=merge(record.timeline, [entry])))
    assert explanation.sentence.endswith(
        'because an exam attempt was rejected (with the note "exam attempt rejected").'
    )


# --- as learners see it


def test_a_certificate_that_is_stored_though_never_earned_is_downloadable_and_held_for_a_person() -> None:
    reported = published(qualifying())
    explanation = explaining.explain(qualifying(without=["grade"]), EDX, instant("day 9"), published=reported)
    assert explanation.status is Status.DOWNLOADABLE
    assert explanation.sentence == (
        "The certificate stays downloadable as it was published; its revocation is held for a person "
        "to decide "
        "because the facts known now do not carry it."
    )
    assert explanation.pending is not None
    assert explanation.pending.cause is Cause.NEVER_EARNED
    assert [step.reason for step in explanation.next_steps] == ["never_earned"]
    assert explanation.shown.date == instant("day 3")
    assert "What would make the facts carry it:\n  - the learner passes the course run" in as_text(explanation)


def test_a_revocation_in_a_compacted_past_is_explained_as_stored() -> None:
    reported, record = published(qualifying()), qualifying(("day 4", "failing"))
    now = instant("day 9")
    assert explaining.explain(record, EDX, now, published=reported).status is Status.NOTPASSING
    assert explaining.explain(record, EDX, now, published=reported, compacted_until=now).status is Status.DOWNLOADABLE


def test_a_status_that_was_published_stays_although_the_facts_no_longer_give_one() -> None:
    reported = published(qualifying(without=["ID verification"]))
    record = qualifying(without=["ID verification", "grade"])
    explanation = explaining.explain(record, EDX, instant("day 9"), published=reported)
    assert explanation.status is Status.UNVERIFIED
    assert explanation.sentence == (
        "The certificate keeps the status unverified that was published; it is not downloadable now "
        "because no "
        "approved ID verification of the learner has been received and no grade that says whether "
        "the learner "
        "passes has been received."
    )


def test_what_was_published_has_its_id() -> None:
    certificate = explaining.explain(qualifying(), EDX, instant("day 9"), published=published(qualifying())).certificate
    assert certificate is not None
    assert certificate.certificate_id == "c-1"


@given(records(), policies(), instants())
def test_with_the_same_published_certificate_the_explanation_is_the_same(
    record: Record, policies: Policies, as_of: datetime
) -> None:
    reported = next_publication(PublishedCertificate(), replay(record, policies, as_of), "").published
    assert explaining.explain(record, policies, as_of, published=reported) == explaining.explain(
        record, policies, as_of
    )
