"""The one search where names are known: a username beside a part of a key, an id, or a number of the platform's."""

import pytest

from tests.scenes.commands import certs
from tests.scenes.named_learners import with_pii
from tests.scenes.named_platform import _nothing_is_known, _platform_as_ever, platform, stack, support_client
from tests.scenes.platform_accounts import Platform
from tests.scenes.scene import Learner, Scene, day
from tests.scenes.searches import found, opened
from tests.scenes.support_client import Client
from tests.scenes.support_commands import _cloud_in_folder, address

__all__ = [
    "_cloud_in_folder",
    "_nothing_is_known",
    "_platform_as_ever",
    "address",
    "platform",
    "stack",
    "support_client",
]

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")
ACCOUNTS = "GET /api/user/v1/accounts"


@pytest.fixture
def amy(scene: Scene) -> Learner:
    """A learner of the course runs of two years, one of which another learner has, too."""
    amy = Learner(77, "course-v1:DemoX+CS101+2025_T1")
    later = Learner(77, "course-v1:DemoX+CS101+2026_T1")
    other = Learner(78, "course-v1:DemoX+CS200+2025_T1")
    for one, username in ((amy, "verified_amy"), (later, "verified_amy"), (other, "bob")):
        scene.ingest(one.configured(day(1)), with_pii(one.enrolled(day(2)), username, "Amy Pond"))
    return amy


def test_a_username_and_a_part_of_a_key_open_the_case_also_if_the_part_is_a_number(
    amy: Learner, support_client: Client
) -> None:
    for text in ("verified_amy 2025", "2025 verified_amy", "username:verified_amy 2025", "VERIFIED_AMY 2025_T1"):
        assert opened(support_client, text) == ("case", *amy.pair), text
    for text in ("verified_amy CS101", "verified_amy 101", "verified_amy DemoX CS101"):
        hits = found(support_client, text)["hits"]
        assert [(hit["kind"], hit["learner_id"]) for hit in hits] == [("case", 77), ("case", 77)], text
    assert opened(support_client, "verified_amy CS101 2025") == ("case", *amy.pair)
    assert opened(support_client, "CS200 2025") == ("course_run", None, "course-v1:DemoX+CS200+2025_T1")
    assert certs("find", "verified_amy", "2025").stdout.startswith(f"Learner 77 in {amy.course_run}")


def test_a_number_that_is_a_learner_as_well_is_a_part_of_a_key_only_where_that_fits(
    scene: Scene, amy: Learner, support_client: Client
) -> None:
    scene.ingest(Learner(2025, amy.course_run).enrolled(day(2)), Learner(300, amy.course_run).enrolled(day(2)))
    assert opened(support_client, "2025") == ("learner", 2025, None)
    assert opened(support_client, "verified_amy 2025") == ("case", *amy.pair)
    assert opened(support_client, "300 2025_T1") == ("case", 300, amy.course_run)
    both = found(support_client, "verified_amy 300")
    assert [hit["learner_id"] for hit in both["hits"]] == [300, 77]
    assert both["contradiction"] == "These are different learners: 300 and verified_amy. Compare them with the ticket."
    assert opened(support_client, "verified_amy 1999")[:2] == ("learner", 77)
    hits = found(support_client, "CS200 2025")["hits"]
    assert [hit["title"] for hit in hits] == ["Learner 2025", "course-v1:DemoX+CS200+2025_T1"]


def test_a_username_beside_the_id_of_an_event_opens_the_case(
    scene: Scene, amy: Learner, support_client: Client
) -> None:
    event_id = scene.stored_record(amy).timeline[-1].event_id
    assert opened(support_client, f"verified_amy {event_id}") == ("case", *amy.pair)
    of_another = found(support_client, f"bob {event_id}")
    assert "Nothing of learner 78 is by it." in of_another["further"]


def test_a_full_name_finds_nobody_and_the_answer_is_what_to_paste(support_client: Client, platform: Platform) -> None:
    answer = found(support_client, "Grace Brewster Hopper")
    assert answer["hits"] == []
    assert answer["understood"] == ["word (a username, or a part of a course run's key): Grace, Brewster and Hopper"]
    assert answer["further"][0].startswith("Nobody is found by their full name")
    assert "the username Grace; no learner has the username Brewster" in answer["further"][1]
    assert platform.requests[ACCOUNTS] == 1
    assert "full name" in certs("find", "Grace", "Hopper").stderr


def test_an_address_of_the_platforms_admin_is_read_by_what_was_sought_there(
    amy: Learner, support_client: Client
) -> None:
    admin = "https://lms.example.org/admin/certificates/generatedcertificate"
    assert opened(support_client, f"{admin}/?q=verified_amy")[:2] == ("learner", 77)
    assert opened(support_client, f"{admin}/?q=verified_amy+2025") == ("case", *amy.pair)
    assert (
        opened(support_client, f"{admin}/12/change/?_changelist_filters=q%3Dverified_amy%2B2025")[2] == amy.course_run
    )
    row = found(support_client, f"{admin}/12/change/")
    assert row["understood"] == ["row of the platform's admin: generatedcertificate 12"]
    assert (row["hits"], "only the platform knows" in row["further"][0]) == ([], True)
