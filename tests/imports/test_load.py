"""Parts of an import, taken in by the real function: written once, never twice, and what stood stands."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from certrules.core.terms import Status
from certs.run import LOCAL_PARAMETERS
from localcloud import LocalCloud
from tests.scenes.platform_tables import AT, COURSE_RUN, FOLDER, QUALIFYING, ROWS, Tables, instant, read, result
from tests.scenes.scene import TEMPLATE, Learner, Scene, Wire, tapped

CERTIFICATES = "certificates_generatedcertificate"
SEVEN = Learner(7, COURSE_RUN)


@pytest.fixture(scope="module")
def stack() -> Iterator[Scene]:
    """The stack of the template."""
    with LocalCloud(TEMPLATE, LOCAL_PARAMETERS) as cloud:
        yield Scene(cloud)


@pytest.fixture
def scene(stack: Scene) -> Scene:
    """The stack, with nothing in it but that COURSE_RUN is live."""
    stack.empty_queues()
    stack.empty_tables()
    bucket = stack.cloud.physical("BulkBucket")
    for item in stack.client("s3").list_objects_v2(Bucket=bucket).get("Contents", ()):
        stack.client("s3").delete_object(Bucket=bucket, Key=item["Key"])
    stack.ingest(SEVEN.configured(instant("2026-01-02"), rollout="live", web_certificates_enabled=False))
    return stack


@pytest.fixture
def wire(scene: Scene) -> Iterator[Wire]:
    """Every request to AWS from here on."""
    assert scene is not None
    with tapped() as tap:
        yield tap


def test_a_learner_who_qualifies_gets_a_certificate_dated_when_it_was_earned(scene: Scene, tables: Tables) -> None:
    course_runs, learners = tables.qualifying().read().load(scene.cloud)
    certificate = scene.certificate(SEVEN)
    assert certificate is not None
    assert (certificate.status, certificate.issued_at) == (Status.DOWNLOADABLE, instant("2026-03-01 12:00"))
    assert (course_runs["saved"], learners["saved"], learners["statuses"]) == (1, 2, {"downloadable": 1})


def test_all_that_is_stated_of_a_learner_is_decided_once_and_written_once(
    scene: Scene, tables: Tables, wire: Wire
) -> None:
    for learner_id in range(1, 31):
        tables.qualifying(user_id=learner_id).add(CERTIFICATES, id=learner_id, user_id=learner_id)
    export = tables.read()
    export.upload(scene.cloud)
    wire.sent.clear()
    export.load(scene.cloud)
    sent = wire.operations()
    assert sent["TransactWriteItems"] == 30  # a record, with its history
    assert sent["PutItem"] == 31  # ID verifications, and the course run
    assert sent["BatchGetItem"] <= 4  # the course run is read before, too: is it new?


def test_importing_again_reads_and_writes_nothing(scene: Scene, tables: Tables, wire: Wire) -> None:
    for learner_id in range(1, 31):
        tables.qualifying(user_id=learner_id).add(CERTIFICATES, id=learner_id, user_id=learner_id)
    export = tables.read()
    export.load(scene.cloud)
    before = scene.items("CertificatesTable")
    wire.sent.clear()
    _, learners = export.load(scene.cloud, f"{FOLDER}-again")
    assert wire.operations().keys() & {"PutItem", "TransactWriteItems", "SendMessageBatch"} == set()
    assert (learners["saved"], learners["unchanged"]) == (0, 60)
    assert scene.items("CertificatesTable") == before


@pytest.mark.parametrize("status", list(Status))
def test_a_certificate_of_any_status_is_there_as_the_table_has_it(scene: Scene, tables: Tables, status: Status) -> None:
    tables.add(CERTIFICATES, status=status.value, verify_uuid="b" * 32).read().load(scene.cloud)
    certificate = scene.certificate(SEVEN)
    assert certificate is not None
    assert (certificate.status, certificate.certificate_id) == (status, "b" * 32)
    assert (certificate.mode, certificate.grade) == ("verified", "0.9")


def test_the_certificates_of_real_tables_are_there_as_the_tables_have_them(
    scene: Scene, shared_data: Path, tmp_path: Path
) -> None:
    folder = shared_data / "sql"
    export = read(sorted(folder.glob("load_*.csv")), tmp_path / "parts")
    results = export.load(scene.cloud)
    assert export.rejects == []
    assert not any(result["refused"] or result["failed"] for result in results)
    with (folder / "load_certificates_generatedcertificate.csv").open() as file:
        for row in csv.DictReader(file):
            certificate = scene.certificate(Learner(int(row["user_id"]), row["course_id"]))
            assert certificate is not None
            issued = row["status"] == "downloadable"
            assert certificate.status == row["status"]
            assert certificate.certificate_id == row["verify_uuid"] or not row["verify_uuid"]
            assert (certificate.mode, certificate.grade) == (row["mode"], row["grade"])
            assert certificate.issued_at == (instant(row["modified_date"]) if issued else None)
            assert certificate.first_issued_at == (instant(row["created_date"]) if issued else None)
    with (folder / "eap_expected_d_user_course_certificate.csv").open() as file:
        for row in csv.DictReader(file):
            certificate = scene.certificate(Learner(int(row["user_id"]), row["course_id"]))
            assert certificate is not None
            assert (certificate.status is Status.DOWNLOADABLE) == (row["is_certified"] == "1")
            assert certificate.mode == row["certificate_mode"]


def test_a_certificate_without_an_id_gets_one_and_keeps_it(scene: Scene, tables: Tables) -> None:
    export = tables.add(CERTIFICATES, verify_uuid="").read()
    export.load(scene.cloud)
    first = scene.certificate(SEVEN)
    export.load(scene.cloud, f"{FOLDER}-again")
    assert first is not None
    assert first.certificate_id
    assert scene.certificate(SEVEN) == first


def test_a_part_that_was_killed_in_the_middle_ends_as_if_it_had_not_been(
    scene: Scene, tables: Tables, wire: Wire
) -> None:
    for learner_id in range(1, 41):
        tables.qualifying(user_id=learner_id)
    export = tables.read()
    export.upload(scene.cloud)
    *_, part = export.reading.parts
    reported = {"folder": FOLDER, "at": AT}
    scene.cloud.invoke("LoadFunction", {**reported, "step": "load", "part": "course-runs.jsonl.gz"})
    wire.refuse("TransactWriteItems", "L#20")
    wire.sent.clear()
    with pytest.raises(Exception, match="1 records of"):
        scene.cloud.invoke("LoadFunction", {**reported, "step": "load", "part": part})
    assert [failed["learner_id"] for failed in result(scene.cloud, part)["failed"]] == [20]
    wire.around = lambda _, answer: answer()
    wire.sent.clear()
    scene.cloud.invoke("LoadFunction", {**reported, "step": "load", "part": part})
    assert wire.operations()["TransactWriteItems"] == 1
    assert wire.operations()["PutItem"] == 0
    done = result(scene.cloud, part)
    assert (done["saved"], done["unchanged"], done["failed"]) == (1, 79, [])
    assert done["learners"] == list(range(1, 41))  # what the first attempt changed is not known
    wire.sent.clear()
    scene.cloud.invoke("LoadFunction", {**reported, "step": "load", "part": part})
    assert wire.operations() == {"GET": 1}  # of its result: what is done stays done


def test_records_that_the_tables_do_not_name_are_decided_with_the_id_verification_that_they_bring(
    scene: Scene, tables: Tables
) -> None:
    other = SEVEN.elsewhere("course-v1:CertX+CS999+2026")
    qualifying = [event for event in other.qualifying() if "idv" not in event["metadata"]["event_type"]]
    scene.ingest(*qualifying)
    certificate = scene.certificate(other)
    assert certificate is not None
    assert certificate.status is Status.UNVERIFIED
    tables.add("verify_student_softwaresecurephotoverification", status_changed="2026-01-01 00:00:00").read().load(
        scene.cloud
    )
    scene.cloud.deliver()
    certificate = scene.certificate(other)
    assert certificate is not None
    assert certificate.status is Status.DOWNLOADABLE
    again = {"step": "look", "folder": FOLDER, "part": "parts/00001.jsonl.gz", "at": AT}
    assert scene.cloud.invoke("LoadFunction", again)["sent"] == 0


def test_learners_whom_the_tables_do_not_name_are_decided_with_the_course_run_that_they_bring(
    scene: Scene, tables: Tables
) -> None:
    other = Learner(8, COURSE_RUN)
    scene.ingest(*(event for event in other.qualifying() if "course_run" not in event))
    assert scene.certificate(other) is None
    tables.add("course_overviews_courseoverview").read().load(scene.cloud)
    scene.cloud.deliver()
    assert scene.certificate(other) is not None


def test_the_state_machine_takes_in_every_part(scene: Scene, tables: Tables) -> None:
    from certs.imports.job import Import, ImportTarget

    for learner_id in range(1, 11):
        tables.qualifying(user_id=learner_id)
    export = tables.read()
    cloud = scene.cloud
    stack = ImportTarget(
        cloud.client("s3"), cloud.client("stepfunctions"), cloud.physical("BulkBucket"), cloud.physical("ImportMachine")
    )
    begun = Import.upload(stack, export.reading, export.folder, instant("2026-06-01"), lambda _parts: None)
    begun.accept([COURSE_RUN])
    begun.start()
    cloud.deliver()
    assert [run.status for run in cloud.executions() if run.machine == "ImportMachine"][-1] == "SUCCEEDED"
    report = begun.report()
    assert (report.records, report.saved, report.is_whole) == (21, 21, True)
    assert report.statuses == {"downloadable": 10}


def test_rows_of_all_tables_are_imported_at_once(scene: Scene, tables: Tables) -> None:
    for table in ROWS:
        tables.add(table)
    results = tables.read().load(scene.cloud)
    assert not any(result["refused"] or result["failed"] for result in results)
    certificate = scene.certificate(SEVEN)
    assert certificate is not None
    assert certificate.status is Status.UNAVAILABLE  # invalidated on 1 April
    assert set(QUALIFYING) <= ROWS.keys()
