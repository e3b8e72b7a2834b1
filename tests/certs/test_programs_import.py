"""`certs programs import`: the catalog's answers and the platform's cache become events, and nothing is lost."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, override

import pytest
from click.testing import Result

from certrules.core.programs.definitions import ProgramCourse, ProgramDefinition, ProgramStatus
from certrules.formats.events_in import decode
from certs.programs.events import send
from certs.run import LOCAL_PARAMETERS
from certs.stacks import Aws, NoStackError
from localcloud import LocalCloud
from tests.scenes.commands import certs
from tests.scenes.scene import TEMPLATE
from tests.scenes.story_of_samples import REPORTED_BY

UUID, OTHER = "8a1b2c3d-6c1f-4c55-9d5e-2b7a1e4f0c11", "9a1b2c3d-6c1f-4c55-9d5e-2b7a1e4f0c11"
AT = "2026-07-01T00:00:00Z"


def run(key: str, **more: Any) -> dict[str, Any]:
    """Return a course run as the catalog has it."""
    return {
        "key": f"course-v1:{key}",
        "uuid": OTHER,
        "type": None,
        "run_type": OTHER,
        "status": "published",
        "seats": [],
        "restriction_type": None,
        "pacing_type": "self_paced",
        "start": None,
        "end": None,
        **more,
    }


def course(key: str, *runs: dict[str, Any]) -> dict[str, Any]:
    return {"uuid": OTHER, "key": key, "title": key, "course_runs": [*runs], "entitlements": []}


def catalog_program(uuid: str = UUID, **more: Any) -> dict[str, Any]:
    """Return a program as the catalog has it."""
    return {
        "uuid": uuid,
        "title": "Data Science",
        "type": "MicroMasters",
        "type_attrs": {"uuid": OTHER, "slug": "micromasters", "coaching_supported": False},
        "status": "active",
        "hidden": False,
        "marketing_slug": "data-science",
        "applicable_seat_types": ["verified"],
        "courses": [
            course("DataX+DS1", run("DataX+DS1+1"), run("DataX+DS1+2")),
            course("DataX+DS2", run("DataX+DS2+1")),
        ],
        "curricula": [],
        "degree": None,
        "authoring_organizations": [],
        **more,
    }


@pytest.fixture
def imported(tmp_path: Path) -> Any:
    def import_(*documents: Any, arguments: tuple[str, ...] = ()) -> Result:
        files = []
        for number, document in enumerate(documents):
            files.append(tmp_path / f"{number}.json")
            files[-1].write_text(document if isinstance(document, str) else json.dumps(document))
        return certs("programs", "import", *files, "--at", AT, *arguments)

    return import_


def events(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def reports(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stderr.splitlines()]


def uuids(result: Result) -> list[str]:
    return [event["program"]["uuid"] for event in events(result)]


def test_a_program_of_the_catalog_becomes_its_definition(imported: Any) -> None:
    result = imported(catalog_program())
    assert (result.exit_code, result.stderr) == (0, "")
    message = decode(result.stdout, REPORTED_BY)
    assert message is not None
    assert message.program is not None
    assert message.program.at.isoformat() == "2026-07-01T00:00:00+00:00"
    assert message.program.by == "system:certs-programs-import"
    assert message.program.definition == ProgramDefinition(
        UUID,
        "Data Science",
        "MicroMasters",
        ProgramStatus.ACTIVE,
        None,
        (
            ProgramCourse("DataX+DS1", ("course-v1:DataX+DS1+1", "course-v1:DataX+DS1+2")),
            ProgramCourse("DataX+DS2", ("course-v1:DataX+DS2+1",)),
        ),
    )


def page(*programs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"count": len(programs), "next": None, "previous": None, "results": [*programs], **more}


@pytest.mark.parametrize(
    "document",
    [
        page(catalog_program(), catalog_program(OTHER)),
        [catalog_program(), catalog_program(OTHER)],
        [page(catalog_program()), page(catalog_program(OTHER))],
        {f"program-{UUID}": catalog_program(pathway_ids=[]), f"program-{OTHER}": catalog_program(OTHER)},
        {UUID: json.dumps(catalog_program()), OTHER: catalog_program(OTHER)},
        {"program-uuids-example.org": [UUID, OTHER], "a": catalog_program(), "b": catalog_program(OTHER)},
        f"{json.dumps(catalog_program())}\n\n{json.dumps(catalog_program(OTHER))}\n",
    ],
    ids=["a page", "a list", "pages", "the cache", "the cache as texts", "the cache with its index", "JSON lines"],
)
def test_programs_are_found_in_every_form(imported: Any, document: Any) -> None:
    result = imported(document)
    assert (result.exit_code, result.stderr) == (0, "")
    assert uuids(result) == [UUID, OTHER]


def test_the_same_import_gives_the_same_events_and_a_program_in_two_files_is_one(imported: Any) -> None:
    first, again = imported(catalog_program()), imported(catalog_program(), page(catalog_program()))
    assert first.stdout == again.stdout
    assert uuids(again) == [UUID]


def test_a_program_that_two_files_have_with_other_content_is_reported(imported: Any) -> None:
    result = imported(catalog_program(), catalog_program(title="Data"))
    assert result.exit_code == 2
    (report,) = reports(result)
    assert (report["program"], "only the newer file" in report["fix"]) == (UUID, True)


def test_hidden_programs_and_hidden_unpublished_and_restricted_runs_count(imported: Any) -> None:
    runs = [run("A+B+1", status="unpublished"), run("A+B+2", restriction_type="custom-b2b-enterprise")]
    result = imported(catalog_program(hidden=True, courses=[course("A+B", *runs)]))
    assert events(result)[0]["program"]["courses"] == [
        {"key": "A+B", "course_runs": ["course-v1:A+B+1", "course-v1:A+B+2"]}
    ]


@pytest.mark.parametrize("status", ["unpublished", "retired", "deleted"])
def test_a_program_of_every_status_is_imported(imported: Any, status: str) -> None:
    assert events(imported(catalog_program(status=status)))[0]["program"]["status"] == status


def test_modes_are_not_guessed_from_seats_and_can_be_named(imported: Any) -> None:
    assert events(imported(catalog_program()))[0]["program"]["accepted_modes"] is None
    result = imported(catalog_program(), arguments=("--accept", "honor", "--accept", "verified"))
    assert events(result)[0]["program"]["accepted_modes"] == ["honor", "verified"]


CURRICULA = [
    {"uuid": OTHER, "is_active": True, "courses": [course("DataX+DS2"), course("DataX+DS9", run("DataX+DS9+1"))]},
    {"uuid": OTHER, "is_active": False, "courses": [course("DataX+DS8", run("DataX+DS8+1"))]},
]


def test_a_curriculum_is_noted_and_can_be_demanded(imported: Any) -> None:
    result = imported(catalog_program(curricula=CURRICULA))
    (note,) = reports(result)
    assert (result.exit_code, note["note"], note["program"]) == (0, "curriculum", UUID)
    assert [item["key"] for item in events(result)[0]["program"]["courses"]] == ["DataX+DS1", "DataX+DS2"]
    demanded = imported(catalog_program(curricula=CURRICULA), arguments=("--with-curricula",))
    keys = [item["key"] for item in events(demanded)[0]["program"]["courses"]]
    assert (demanded.stderr, keys) == ("", ["DataX+DS1", "DataX+DS2", "DataX+DS9"])


@pytest.mark.parametrize(
    ("document", "note", "named"),
    [
        (page(), "empty", "empty list"),
        ({}, "empty", "empty list"),
        ({"program-uuids-example.org": []}, "empty", "empty list"),
        (page(catalog_program(), count=40, next="https://example.org/?page=2"), "more_pages", "1 of 40"),
        ([catalog_program(), [OTHER]], "missing", "index"),
        (catalog_program(courses=[]), "gap", "no courses"),
        (catalog_program(courses=[course("DataX+DS1")]), "gap", "DataX+DS1 has no course runs"),
    ],
)
def test_what_leaves_something_open_is_noted(imported: Any, document: Any, note: str, named: str) -> None:
    result = imported(document)
    (report,) = reports(result)
    assert (result.exit_code, report["note"]) == (0, note)
    assert named in report["sentence"]


@pytest.mark.parametrize(
    ("document", "program", "field", "fix"),
    [
        ("<html>", "", "", "neither JSON nor JSON lines"),
        ('{"uuid": 1}\n{"uuid"', "", "", "line 2"),
        ([7], "[0]", "", "a number is no program"),
        ({"detail": "Authentication credentials were not provided."}, "detail", "", "is no program"),
        (catalog_program(courses=None), UUID, "courses", "null in place of a list"),
        ({"uuid": UUID, "title": "Data"}, UUID, "courses", "short answer"),
        (catalog_program(courses=[{"title": "A"}]), UUID, "courses[0].key", "a course has its key"),
        (catalog_program(courses=[{"key": "A"}]), UUID, "courses[0].course_runs", "short answer"),
        (catalog_program(courses=[course("A", {})]), UUID, "courses[0].course_runs[0].key", "has its key"),
        (
            catalog_program(courses=[course("A", run(" x"))]),
            UUID,
            "courses[0].course_runs[0]",
            "no key of a course run",
        ),
        (catalog_program(curricula=[{"courses": 7}]), UUID, "curricula[0].courses", "a number in place of a list"),
        (catalog_program(status="hidden"), UUID, "status", "none of the values"),
        (catalog_program(title=None), UUID, "title", "Expected `str`"),
        (catalog_program(uuid="x"), "the only one", "uuid", "no uuid"),
    ],
)
def test_what_can_not_be_read_is_named_with_file_program_field_and_fix(
    imported: Any, document: Any, program: str, field: str, fix: str
) -> None:
    result = imported(document, catalog_program(OTHER))
    assert (result.exit_code, uuids(result)) == (2, [OTHER])
    (report,) = reports(result)
    assert Path(report["file"]).name == "0.json"
    assert (report["program"], report["field"]) == (program, field)
    assert fix in report["fix"]


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "programs.json"
    file.write_bytes(b"\xff\xfe\x00")
    result = certs("programs", "import", file)
    assert result.exit_code == 2
    assert json.loads(result.stderr.splitlines()[0])["file"] == str(file)


# --- sent


@dataclass(frozen=True, slots=True)
class OfMarketing(Aws):
    """The stack as a role reaches it that may not define programs."""

    cloud: LocalCloud

    @override
    def client(self, service: str) -> Any:
        return self.cloud.client(service, "arn:aws:iam::123456789012:role/marketing")


def test_the_events_are_put_on_the_bus_in_the_name_of_a_source_that_may_act(imported: Any) -> None:
    made = events(imported(*(catalog_program(f"{n:08}-6c1f-4c55-9d5e-2b7a1e4f0c11") for n in range(12))))
    with LocalCloud(TEMPLATE, LOCAL_PARAMETERS) as cloud:
        stack = Aws("local", {}, dict(cloud.outputs))
        assert send(made, stack, "openedx/lms/web") == 12
        with pytest.raises(NoStackError, match="ActingSources"):
            send(made, OfMarketing("local", {}, dict(cloud.outputs), cloud), "openedx/lms/web")
        with pytest.raises(NoStackError, match="BusName"):
            send(made, Aws("other", {}, {}), "openedx/lms/web")


def test_without_a_stack_it_is_named_how_to_start_one(
    imported: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    result = imported(catalog_program(), arguments=("--send",))
    assert result.exit_code == 1
    assert "no local cloud is up here" in result.stderr
