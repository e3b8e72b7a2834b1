"""Deciding again without news changes nothing: reconciliation and bulk runs rest on it."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certrules.core.fact_types import Enrollment, Fact
from certrules.core.terms import Cause, RevocationAction, Status
from certrules.core.timeline import Entry
from tests.scenes.histories import INSTANTS, deliveries, entries
from tests.scenes.records_between_decisions import DAY, END, FIRST, RecordBetweenDecisions

SHARED = {Fact.COURSE_RUN, Fact.ID_VERIFICATION, Fact.AUTOMATIC_REVOCATIONS}
ACTIONS = (RevocationAction.RELEASED, RevocationAction.DISCARDED)


@given(st.data())
def test_deciding_again_without_news_changes_nothing(data: st.DataObject) -> None:
    reported = [entry for entry in data.draw(entries()) if entry.fact not in SHARED]
    acts = data.draw(st.lists(st.tuples(st.sampled_from(INSTANTS[-3:]), st.sampled_from(ACTIONS)), max_size=4))
    reported += [
        Entry(at, f"act-{number}", Fact.REVOCATION, Cause.NEVER_EARNED, action, "ada")
        for number, (at, action) in enumerate(acts)
    ]
    batches = data.draw(deliveries(reported))
    record = RecordBetweenDecisions()
    for batch in batches:
        published = record.receive(batch, INSTANTS[0]).publication.published  # as of the newest entry
        again = record.receive([], INSTANTS[0]).publication
        assert (again.published, again.new_transitions) == (published, ())


@pytest.mark.parametrize("together", [True, False])
def test_a_release_counts_the_same_whether_what_is_held_arrives_with_it_or_before_it(together: bool) -> None:
    # The second award is of a producer whose clock is ahead, so the person's invalidation is from before it.
    award = FIRST + 5 * DAY
    record = RecordBetweenDecisions()
    record.receive([Entry(FIRST, "enrolled", Fact.ENROLLMENT, "", Enrollment("verified", active=True))], FIRST)
    record.receive([Entry(FIRST + DAY, "passes", Fact.PASSING, "", True)], FIRST + DAY)
    record.receive([Entry(FIRST + 2 * DAY, "fails", Fact.PASSING, "", False)], FIRST + 2 * DAY)
    record.receive([Entry(award, "passes again", Fact.PASSING, "", True)], award)
    assert record.published_statuses[-2:] == [Status.NOTPASSING, Status.DOWNLOADABLE]
    seconds = timedelta(seconds=1)
    invalidated = Entry(award - seconds, "invalidated", Fact.INVALIDATION, "", True, "ada")
    released = Entry(award + seconds, "released", Fact.REVOCATION, Cause.NEVER_EARNED, RevocationAction.RELEASED, "ada")

    for batch in [[invalidated, released]] if together else [[invalidated], [released]]:
        record.receive(batch, award)

    assert record.losses == [Cause.GRADE_FELL, Cause.NEVER_EARNED]
    assert record.receive([], END).publication.new_transitions == ()
