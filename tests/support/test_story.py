"""The picture of a case and its history: both hold the same, whatever happened."""

import re
from itertools import pairwise

from hypothesis import given

from certrules.core.explain.explanation import explain
from certrules.core.fact_types import Fact, Grade
from certrules.core.facts import Record
from certrules.core.timeline import Entry
from certrules.support.entries import KINDS, counts_of, entries_of
from certrules.support.story import MOST, story_of
from tests.scenes.explanations import EDX
from tests.scenes.histories import END, records
from tests.scenes.scene import Learner, Scene, day
from tests.scenes.support_client import Client, about


@given(records())
def test_any_history_can_be_drawn_in_order_and_within_the_picture(record: Record) -> None:
    explanation = explain(record, EDX, END)
    story = story_of(record.timeline, explanation, [])
    if story is None:
        assert explanation.status is None
        return
    assert [lane.name for lane in story.lanes][-2:] == ["Held revocations", "Certificate"]
    for lane in story.lanes:
        assert all(0 < span.start < span.end <= story.width for span in lane.spans)
        assert all(earlier.end <= later.start for earlier, later in pairwise(lane.spans))
        assert all(earlier.x <= later.x for earlier, later in pairwise(lane.marks))
    last = story.lanes[-1].spans[-1]
    assert last.state == ("none" if explanation.status is None else explanation.status)
    assert story.ticks[-1].date == "2 Jan 2026"


@given(records())
def test_the_history_has_every_moment_once_and_the_newest_first(record: Record) -> None:
    explanation = explain(record, EDX, END)
    entries = entries_of(explanation, [], None)
    assert sorted(entry.moment for entry in entries if entry.moment is not None) == list(
        range(len(explanation.timeline))
    )
    assert all(later.at >= earlier.at for later, earlier in pairwise(entries))
    assert set(counts_of(entries)) <= set(KINDS)
    assert not any("(event" in entry.sentence for entry in entries)


def test_of_a_long_story_the_last_instants_are_drawn() -> None:
    grades = tuple(Entry(day(n), f"e-{n}", Fact.GRADE, "", Grade(n / 100, "")) for n in range(1, MOST + 21))
    story = story_of(grades, explain(Record(1, "course-v1:A+B+C", grades), EDX, day(90)), [])
    assert story is not None
    assert (story.left_out, len(story.lanes[1].marks)) == (20, MOST)


def test_each_mark_leads_to_its_entry_and_is_readable(scene: Scene, learner: Learner, support_client: Client) -> None:
    scene.ingest(*learner.qualifying(), learner.invalidated(day(6)))
    page = support_client.get("/case", **about(learner)).body
    marks = re.findall(r'<a href="[^"]*#(e\d+)" aria-label="([^"]+)"><title>([^<]+)</title>', page)
    assert len(marks) == 6  # enrollment, passing, ID verification, invalidation, and two of the certificate
    for entry, label, title in marks:
        assert f'<tr id="{entry}">' in page
        assert label == title != ""


def test_the_history_is_filtered_by_kind(scene: Scene, learner: Learner, support_client: Client) -> None:
    scene.send(*learner.qualifying(), learner.invalidated(day(6)), at=day(7))
    scene.cloud.deliver(delayed=True)

    def rows(show: str) -> list[str]:
        page = support_client.get("/case", **about(learner), show=show).body
        table = (
            page.partition('id="history"')[2].partition('id="acts"')[0].partition("<details><summary>Configuration")[0]
        )
        return [text.strip() for text in re.findall(r'<td data-label="">(?:<strong>)?([^<]+)', table)]

    assert sorted(rows("facts")) == [
        "Enrolled in verified mode.",
        "ID verification (attempt 1) approved, without an end.",
        "Passed.",
    ]
    assert [text[:28] for text in rows("acts")] == ["Certificate set to unavailab", "Certificate invalidated by a"]
    assert [text[:23] for text in rows("delivered")] == ["Certificate set to unav", "Certificate set to down"]
    assert rows("nonsense") == rows("")


def test_a_held_revocation_is_drawn_and_listed(scene: Scene, learner: Learner, support_client: Client) -> None:
    scene.ingest(*learner.qualifying(), learner.failing(day(6)))
    page = support_client.get("/case", **about(learner), as_of="2026-01-06T00:30").body
    assert "Held revocations: revocation pending" in page
    assert '<span class="badge held">pending</span>' in page


def test_the_headline_shows_whether_learners_see_it(scene: Scene, learner: Learner, support_client: Client) -> None:
    def headline() -> str:
        page: str = support_client.get("/case", **about(learner)).body
        return page.partition('id="answer"')[2][:900]

    assert "There is nothing that the learner could see." in headline()
    scene.ingest(*learner.qualifying())
    assert "can&#39;t see it yet: the date that it waits for is unknown" in headline()
    scene.ingest(learner.configured(day(4), self_paced=True))
    assert "The learner can see it, since 3 January 2026" in headline()
    scene.ingest(learner.configured(day(5), self_paced=False, end=day(4000).isoformat()))
    assert "it is shown from" in headline()
    scene.ingest(learner.invalidated(day(6)))
    assert "can&#39;t see a certificate" in headline()
