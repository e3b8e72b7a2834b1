"""The guard by example: what becomes of what was published when late facts rewrite the past."""

from certrules.core.certificate import Outcome, Pending
from certrules.core.facts import Record
from certrules.core.guard import Publication, PublishedCertificate, next_publication
from certrules.core.instants import BEGINNING
from certrules.core.policy import DEFAULT, undated
from certrules.core.replay import replay
from certrules.core.terms import Cause, Status
from tests.scenes.phrases import instant, qualifying

NOW = "day 30"


def amounts_to(*facts: tuple[str, str], without: tuple[str, ...] = (), until: str = NOW) -> Outcome:
    return replay(qualifying(*facts, without=without), undated(DEFAULT), instant(until))


def published(outcome: Outcome) -> PublishedCertificate:
    return next_publication(PublishedCertificate(), outcome, "first").published


def status(publication: Publication) -> Status | None:
    return publication.published.certificate.status if publication.published.certificate else None


def test_nothing_is_published_of_a_learner_without_a_certificate() -> None:
    outcome = replay(Record(7, "course-v1:CertX+CS101+2026"), undated(DEFAULT), instant(NOW))
    assert next_publication(PublishedCertificate(), outcome, "first") == Publication(
        PublishedCertificate(), (), retained=False
    )


def test_a_first_certificate_gets_the_id_that_it_is_given_and_is_reported_once() -> None:
    outcome = amounts_to()
    first = next_publication(PublishedCertificate(), outcome, "first")
    assert [change.status for change in first.new_transitions] == [Status.DOWNLOADABLE]
    assert first.new_transitions[0].certificate.certificate_id == "first"
    again = next_publication(first.published, outcome, "second")
    assert again == Publication(first.published, (), retained=False)


def test_a_recorded_certificate_keeps_its_own_id() -> None:
    outcome = amounts_to(("day 4", "recorded downloadable with id abc"))
    assert (
        next_publication(PublishedCertificate(), outcome, "first").new_transitions[0].certificate.certificate_id
        == "abc"
    )


def test_a_certificate_that_late_facts_show_was_never_earned_is_stored_and_held_for_a_person() -> None:
    before = published(amounts_to())
    late = next_publication(before, amounts_to(("day 2", "exam final rejected")), "second")
    assert late.retained
    assert late.new_transitions == ()
    assert late.published.certificate == before.certificate
    assert late.published.pending == Pending(Cause.NEVER_EARNED, instant(NOW), None)


def test_it_is_held_since_it_was_first_seen() -> None:
    before = published(amounts_to())
    once = next_publication(before, amounts_to(("day 2", "exam final rejected"), until="day 20"), "second").published
    twice = next_publication(once, amounts_to(("day 2", "exam final rejected"), until="day 25"), "third").published
    assert twice.pending == Pending(Cause.NEVER_EARNED, instant("day 20"), None)


def test_that_it_was_never_earned_outweighs_a_revocation_that_is_only_pending() -> None:
    before = published(amounts_to(("day 29 23:30", "failing")))
    assert before.pending is not None
    assert before.pending.cause is Cause.GRADE_FELL
    late = next_publication(before, amounts_to(("day 2", "exam final rejected"), ("day 29 23:30", "failing")), "second")
    assert late.published.pending is not None
    assert late.published.pending.cause is Cause.NEVER_EARNED


def test_it_is_no_longer_held_once_facts_carry_it_after_all() -> None:
    before = published(amounts_to())
    held = next_publication(before, amounts_to(("day 2", "exam final rejected")), "second").published
    after = next_publication(held, amounts_to(("day 2", "exam final rejected"), ("day 9", "exam final reset")), "third")
    assert not after.retained
    assert after.published.pending is None
    assert after.published.certificate is not None
    assert after.published.certificate.certificate_id == "first"
    assert after.new_transitions == ()


def test_a_listed_cause_that_came_after_the_award_takes_it_away() -> None:
    after = next_publication(published(amounts_to()), amounts_to(("day 5", "invalidated by ada")), "second")
    assert status(after) is Status.UNAVAILABLE
    assert [change.cause for change in after.new_transitions] == [Cause.INVALIDATED]


def test_a_loss_that_late_facts_date_before_the_published_award_is_held() -> None:
    # Published: passed on day 10. Late: passed on day 3, was invalidated on day 5. That never met what was published.
    before = published(amounts_to(("day 10", "passing"), without=("grade",)))
    late = next_publication(before, amounts_to(("day 5", "invalidated by ada"), ("day 10", "passing")), "second")
    assert late.retained


def test_a_loss_in_a_past_that_was_compacted_is_held() -> None:
    lost = amounts_to(("day 5", "exam final rejected"))
    before = published(amounts_to())
    assert next_publication(before, lost, "second", compacted_until=instant("day 4")).retained is False
    assert next_publication(before, lost, "second", compacted_until=instant("day 5")).retained
    assert next_publication(before, lost, "second", compacted_until=BEGINNING).retained is False


def test_a_loss_that_has_no_listed_cause_is_refused() -> None:
    # The replay makes no such transition; should it ever, what was published stays as it is.
    lost = amounts_to(("day 5", "invalidated by ada"))
    unlisted = lost.transitions[-1]._replace(cause=Cause.LABELLED)
    broken = lost._replace(transitions=(*lost.transitions[:-1], unlisted))
    assert next_publication(published(amounts_to()), broken, "second").retained


def test_a_certificate_that_vanished_without_any_transition_stays() -> None:
    gone = amounts_to(without=("grade",))
    assert gone.transitions == ()
    assert next_publication(published(amounts_to()), gone, "second").retained


def test_a_certificate_that_is_not_downloadable_does_not_vanish_with_the_facts() -> None:
    before = published(amounts_to(without=("ID verification",)))
    late = next_publication(before, amounts_to(("day 2", "beta tester added"), without=("ID verification",)), "second")
    assert status(late) is Status.UNVERIFIED
    assert late.new_transitions == ()
    assert late.published.transitions == before.transitions


def test_news_follow_on_a_past_that_late_facts_rewrote() -> None:
    # Published: unverified on day 3. Late: it was day 2; and then the ID verification came.
    before = published(amounts_to(without=("ID verification",)))
    after = next_publication(
        before, amounts_to(("day 2", "passing"), ("day 8", "ID approved"), without=("ID verification",)), "second"
    )
    assert [(change.previous, change.status) for change in after.new_transitions] == [
        (Status.UNVERIFIED, Status.DOWNLOADABLE)
    ]


def test_a_rewritten_past_with_the_same_end_is_no_news() -> None:
    before = published(amounts_to())
    after = next_publication(before, amounts_to(("day 2", "passing")), "second")
    assert after.new_transitions == ()
    assert after.published.certificate is not None
    assert after.published.certificate.issued_at == instant("day 2")


def test_where_nothing_of_the_published_past_is_left_its_last_value_follows_on_it() -> None:
    before = published(amounts_to(without=("ID verification",)))
    after = next_publication(before, amounts_to(("day 2", "passing")), "second")
    assert [(change.previous, change.status) for change in after.new_transitions] == [
        (Status.UNVERIFIED, Status.DOWNLOADABLE)
    ]
