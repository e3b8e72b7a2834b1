"""Learners are renamed in the Credentials service first, and nothing is sent under the wrong name."""

import pytest

from certrules.core.deliveries.delivery import Delivery, leased
from certrules.core.deliveries.desired import (
    Grade,
    Username,
)
from certrules.core.deliveries.outcomes import RecordWarning, Waiting
from tests.records.faults import Fault
from tests.records.scene import (
    A1,
    AWARDED,
    COURSE,
    GRADE,
    NOON,
    REVOKED,
    USERNAME,
    Scene,
)
from tests.records.state import Credential


def test_a_learner_is_renamed_in_the_service_first_and_rows_keep_their_uuids(scene: Scene) -> None:
    scene.service.state.replacement_worker = scene.service.platform.username
    scene.named()
    scene.want(COURSE, AWARDED)
    scene.deliver()
    uuid = scene.delivery().uuid
    scene.want(USERNAME, Username(name="ada.l"))
    scene.want(COURSE, REVOKED)
    scene.deliver()
    row = scene.service.state.credential("ada.l", A1)
    assert row is not None
    assert (row.uuid, row.status, scene.status()) == (uuid, "revoked", None)


def test_without_the_right_to_rename_deliveries_go_on_under_the_former_name(scene: Scene) -> None:
    scene.named()
    scene.want(COURSE, AWARDED)
    scene.deliver()
    scene.want(USERNAME, Username(name="ada.l"))
    scene.want(COURSE, REVOKED)
    scene.deliver()
    assert scene.delivery(USERNAME).waiting is Waiting.RENAME_REFUSED
    assert (scene.status(), scene.status(name="ada.l")) == ("revoked", None)
    scene.service.state.users[0].username = "ada.l"  # somebody renamed the user, but not the rows
    scene.until_settled()
    assert scene.delivery(USERNAME).warning is RecordWarning.TWO_USERNAMES
    assert scene.status(name="ada.l") == "revoked"
    assert scene.delivery().warning is RecordWarning.SECOND_ROW


def test_where_rows_exist_under_both_names_all_is_sent_again_under_the_new_one(scene: Scene) -> None:
    scene.service.state.replacement_worker = scene.service.platform.username
    scene.named()
    scene.want(COURSE, AWARDED)
    scene.want(GRADE, Grade(percent=0.9))
    scene.deliver()
    scene.service.state.add(Credential("ada.l", "course-run", A1, "revoked", "second", NOON, NOON))
    scene.want(USERNAME, Username(name="ada.l"))
    scene.deliver()
    assert scene.status(name="ada.l") == "awarded"
    assert ("ada.l", A1) in scene.service.state.grades
    assert scene.delivery(USERNAME).warning is RecordWarning.TWO_USERNAMES
    assert scene.delivery().warning is RecordWarning.SECOND_ROW


@pytest.mark.parametrize("fault", [Fault.SILENT_AFTER_WRITING, Fault.SILENT])
def test_nothing_is_sent_while_a_rename_is_in_doubt(scene: Scene, fault: Fault) -> None:
    scene.service.state.replacement_worker = scene.service.platform.username
    scene.named()
    scene.want(COURSE, AWARDED)
    scene.deliver()
    scene.service.misbehaviour.faults.append(fault)
    scene.want(USERNAME, Username(name="ada.l"))
    scene.want(COURSE, REVOKED)
    scene.deliver()
    assert scene.delivery().waiting is Waiting.RENAMING
    assert scene.requests() == 1
    scene.until_settled()
    assert (scene.status(), scene.status(name="ada.l")) == (None, "revoked")


def test_a_request_under_the_former_name_is_not_sent_after_a_rename(scene: Scene) -> None:
    scene.service.state.replacement_worker = scene.service.platform.username
    scene.named()
    scene.want(COURSE, AWARDED)

    def ends(delivery: Delivery) -> None:
        if delivery.target == COURSE:
            raise KeyboardInterrupt

    def renamed_by_another_worker(delivery: Delivery) -> None:
        if delivery.target == COURSE and delivery.lease is not None:
            scene.store.before_save = ends
            scene.want(USERNAME, Username(name="ada.l"))
            with pytest.raises(KeyboardInterrupt):
                scene.deliver()
            scene.store.before_save = lambda _delivery: None

    scene.store.before_save = renamed_by_another_worker
    scene.deliver()
    assert (scene.requests(), scene.requests("POST /api/v2/replace_usernames/")) == (0, 1)
    scene.until_settled()
    assert (scene.status(), scene.status(name="ada.l")) == (None, "awarded")


def test_a_rename_waits_for_what_is_in_flight(scene: Scene) -> None:
    scene.service.state.replacement_worker = scene.service.platform.username
    scene.named()
    scene.want(COURSE, AWARDED)
    scene.deliver()
    scene.want(COURSE, REVOKED)
    scene.want(USERNAME, Username(name="ada.l"))

    def sent_by_another_worker(delivery: Delivery) -> None:
        if delivery.target == USERNAME:
            scene.store.before_save = lambda _delivery: None
            found = scene.store.load(COURSE)
            assert found is not None
            in_flight = leased(found.delivery, "another", scene.now)
            assert in_flight is not None
            scene.store.save(in_flight, found.version)

    scene.store.before_save = sent_by_another_worker
    scene.deliver()
    assert scene.requests("POST /api/v2/replace_usernames/") == 0
    scene.until_settled()
    assert (scene.status(), scene.status(name="ada.l")) == (None, "revoked")
