"""Programs as the catalog (course-discovery) answers with them, and as the platform caches them.

Read are pages of its API (`results`), single programs, lists of them, and the platform's cache: a mapping from its keys
to programs. What can't be read is reported with file, program and field; what is read but leaves something open is
noted. Nothing is passed over in silence.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from certrules.core.terms import described

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MARKS = ("uuid", "courses", "title")
"""A JSON object with one of these is a program."""


class ProblemError(Exception):
    """A part of a file that can't be read."""

    def __init__(self, field: str, fix: str) -> None:
        """Name the field, by its path within the program or the file, and the fix."""
        super().__init__(f"{field}: {fix}" if field else fix)
        self.field = field
        self.fix = fix


class Problem(NamedTuple):
    """What can't be read: the program, or the whole file."""

    file: str
    program: str  # its uuid, or where it stands in the file; "" for the whole file
    field: str  # its path within the program
    fix: str

    def as_json(self) -> dict[str, str]:
        """Return it for people and programs."""
        return {"problem": "program" if self.program else "file", **self._asdict()}


class Note(NamedTuple):
    """What was read, and leaves something open."""

    note: str  # a code
    file: str
    program: str  # its uuid; "" for the whole file
    sentence: str

    def as_json(self) -> dict[str, str]:
        """Return it for people and programs."""
        return self._asdict()


class CatalogProgram(NamedTuple):
    """The data of a program, as `certificates.program.configured.v1` has it."""

    file: str
    data: dict[str, Any]


class Catalog:
    """The programs of some files."""

    def __init__(self, *, accepted_modes: tuple[str, ...] = (), with_curricula: bool = False) -> None:
        """Read with `add`. `accepted_modes` are those of every program; empty: every paid mode."""
        self._accepted_modes = list(accepted_modes) or None
        self._with_curricula = with_curricula
        self._named: dict[str, str] = {}  # programs that an index of the cache names, and the file
        self.programs: dict[str, CatalogProgram] = {}
        self.problems: list[Problem] = []
        self.notes: list[Note] = []

    def add(self, file: str, text: str) -> None:
        """Read a file."""
        before = len(self.programs) + len(self.problems) + len(self._named)
        try:
            documents = list(_documents(text))
        except ValueError as error:
            self.problems.append(Problem(file, "", "", f"neither JSON nor JSON lines: {error}"))
            return
        for place, document in documents:
            self._read(file, place, document)
        if len(self.programs) + len(self.problems) + len(self._named) == before:
            sentence = (
                "No program is in it. The platform caches an empty list when it can't read the catalog: ask the "
                "catalog again. What is configured here stays."
            )
            self.notes.append(Note("empty", file, "", sentence))

    def finish(self) -> None:
        """Note the programs that were named and not found; for when all files were read."""
        read = self.programs.keys() | {problem.program for problem in self.problems}
        for uuid, file in sorted(self._named.items()):
            if uuid not in read:
                sentence = "An index of the cache names it, and no file has it: read it from the catalog."
                self.notes.append(Note("missing", file, uuid, sentence))

    # --- where programs stand

    def _read(self, file: str, place: str, found: Any) -> None:
        """Read what stands at a place of a file: a page, a program, a list of them, or the cache."""
        match found:
            case {"results": list(results)}:
                self._note_other_pages(file, found, len(results))
                self._read(file, f"{place}results", results)
            case list() if found and all(isinstance(item, str) and _UUID.fullmatch(item) for item in found):
                self._named.update(dict.fromkeys(found, file))
            case list():
                for position, item in enumerate(found):
                    self._read(file, f"{place}[{position}]", item)
            case dict() if any(mark in found for mark in _MARKS):
                self._add_program(file, place, found)
            case dict() if found and all(isinstance(item, dict | list | str) for item in found.values()):
                for key, item in found.items():
                    self._read(file, f"{place}{key}", _unpacked(item))
            case dict() if not found:
                pass
            case _:
                fix = f"{described(found)} is no program: give answers of the catalog's /api/v1/programs/"
                self.problems.append(Problem(file, place, "", fix))

    def _note_other_pages(self, file: str, page: Mapping[str, Any], read: int) -> None:
        if page.get("next"):
            sentence = f"The page names a next one; {read} of {page.get('count', 'more')} programs are on it."
            self.notes.append(Note("more_pages", file, "", f"{sentence} Give the other pages, too."))

    # --- a program

    def _add_program(self, file: str, place: str, found: Mapping[str, Any]) -> None:
        uuid = found.get("uuid")
        name = uuid.lower() if isinstance(uuid, str) and _UUID.fullmatch(uuid.lower()) else place or "the only one"
        notes: list[Note] = []
        try:
            data = self._data(file, name, found, notes)
        except ProblemError as error:
            self.problems.append(Problem(file, name, error.field, error.fix))
            return
        before = self.programs.get(name)
        if before is not None and before.data != data:
            fix = f"{before.file} has the same program with other content: give only the newer file"
            self.problems.append(Problem(file, name, "", fix))
        elif before is None:
            self.programs[name] = CatalogProgram(file, data)
            self.notes += notes

    def _data(self, file: str, name: str, found: Mapping[str, Any], notes: list[Note]) -> dict[str, Any]:
        """Return the data of a program's event. Raises ProblemError."""
        if "courses" not in found:
            raise ProblemError("courses", "missing: this is a short answer; ask for whole programs")
        courses = [_course(f"courses[{n}]", item) for n, item in enumerate(_list_of("courses", found["courses"]))]
        of_curricula = [
            course for course in _of_curricula(found) if course["key"] not in {one["key"] for one in courses}
        ]
        if self._with_curricula:
            courses += of_curricula
        elif of_curricula:
            sentence = (
                f"Its active curriculum has {len(of_curricula)} courses more, which completing it does not demand; "
                "--with-curricula demands them."
            )
            notes.append(Note("curriculum", file, name, sentence))
        sentences = (f"{gap}: nobody completes it, and nobody loses it by that." for gap in _gaps(courses))
        notes += [Note("gap", file, name, sentence) for sentence in sentences]
        return {
            "uuid": found.get("uuid"),
            "title": found.get("title"),
            "type": found.get("type"),
            "status": found.get("status"),
            "accepted_modes": self._accepted_modes or found.get("accepted_modes"),
            "courses": courses,
        }


def _documents(text: str) -> Iterator[tuple[str, Any]]:
    """Yield the documents of a text, and where each stands: one of JSON, or one in each line. Raises ValueError."""
    try:
        yield "", json.loads(text)
    except ValueError:
        lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        if len(lines) < 2:
            raise
        for number, line in lines:
            try:
                yield f"line {number}", json.loads(line)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error


def _unpacked(item: Any) -> Any:
    """Return an entry of the cache; one that is written as text is JSON."""
    try:
        return json.loads(item) if isinstance(item, str) else item
    except ValueError:
        return item


def _list_of(field: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ProblemError(field, f"{described(value)} in place of a list")
    return value


def _course(field: str, value: Any) -> dict[str, Any]:
    """Return a course's key and its course runs, hidden, restricted and unpublished ones too. Raises ProblemError."""
    if not isinstance(value, Mapping) or not isinstance(value.get("key"), str):
        raise ProblemError(f"{field}.key", "missing: a course has its key, such as edX+DemoX")
    if "course_runs" not in value:
        fix = f"missing in {value['key']}: this is a short answer; ask for whole programs, with the runs of each course"
        raise ProblemError(f"{field}.course_runs", fix)
    runs = []
    for number, run in enumerate(_list_of(f"{field}.course_runs", value["course_runs"])):
        key = run.get("key") if isinstance(run, Mapping) else run
        if not isinstance(key, str):
            raise ProblemError(f"{field}.course_runs[{number}].key", "missing: a course run has its key")
        runs.append(key)
    return {"key": value["key"], "course_runs": runs}


def _of_curricula(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the courses of the active curricula. Raises ProblemError."""
    courses = {}
    for n, curriculum in enumerate(_list_of("curricula", found.get("curricula") or [])):
        if isinstance(curriculum, Mapping) and curriculum.get("is_active", True):
            for number, item in enumerate(_list_of(f"curricula[{n}].courses", curriculum.get("courses") or [])):
                course = _course(f"curricula[{n}].courses[{number}]", item)
                courses[course["key"]] = course
    return list(courses.values())


def _gaps(courses: list[dict[str, Any]]) -> Iterator[str]:
    if not courses:
        yield "It has no courses"
    for course in courses:
        if not course["course_runs"]:
            yield f"Its course {course['key']} has no course runs"
