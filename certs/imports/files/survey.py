"""Which files are tables: each is read, refused by its name with the fix, or named as ignored. None is overlooked."""

import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from certs.imports.files.headers import shape_of
from certs.imports.files.recognising import NO_TABLE, natural_order, package_of, part_of, table_in
from certs.imports.files.sources import DAMAGED, Source, UnreadableFileError, contents, packing_of
from certs.imports.rows import Table
from certs.imports.tables import table_of

_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


class Ignored(NamedTuple):
    """A file that is no table of an import."""

    source: Source
    why: str


def files_of(
    paths: Iterable[Path], without: Mapping[str, str] = MappingProxyType({})
) -> tuple[dict[Source, Table], list[Ignored]]:
    """Return the files of known tables in the order of reading, and those that are ignored.

    Folders and zip archives are looked through. `without` are tables that are ignored whatever their files hold, each
    with the reason. Raises UnreadableFileError with all that is wrong with any of them.
    """
    survey = _Survey(without)
    for path in paths:
        survey.add(path)
    return survey.result()


class _Survey:
    """The files that were found."""

    def __init__(self, without: Mapping[str, str]) -> None:
        self._without = without
        self._tables: dict[Source, Table] = {}
        self._named: set[Source] = set()  # by a person, not found in a folder
        self._ignored: list[Ignored] = []
        self._problems: list[str] = []
        self._seen: dict[tuple[Path, str], Source] = {}

    def add(self, path: Path) -> None:
        """Look at a file, or at all files in a folder."""
        for file in self._in_folder(path) if path.is_dir() else [path]:
            is_zip = file.suffix.lower() == ".zip" and not file.name.startswith(".")
            for source in self._members(file) if is_zip else [Source(file)]:
                self._add(source, named=file is path)

    def _in_folder(self, path: Path) -> list[Path]:
        found = path.walk(on_error=self._note, follow_symlinks=True)
        files = (folder / name for folder, _, names in found for name in names)
        return sorted(files, key=lambda file: natural_order(str(file)))

    def _note(self, error: OSError) -> None:
        self._problems.append(f"{error.filename}: {error.strerror}: make it readable, or move it away")

    def _members(self, path: Path) -> Iterator[Source]:
        try:
            with zipfile.ZipFile(path) as archive:
                members = sorted(archive.infolist(), key=lambda member: natural_order(member.filename))
        except (*DAMAGED, OSError) as error:
            self._problems.append(f"{path}: it is cut off or damaged ({error}): copy or export it again")
            return
        names = Counter(member.filename for member in members)
        for member in members:
            source = Source(path, member.filename)
            if names[member.filename] > 1:
                self._problems.append(f"{source}: it is in the archive more than once: unpack it, and zip it again")
            elif member.flag_bits & 1:
                self._problems.append(f"{source}: it is encrypted: unpack it with its password")
            elif member.compress_type not in _ZIP_METHODS:
                self._problems.append(f"{source}: its zip packs it in an unusual way: unpack it, and zip it again")
            elif not member.is_dir():
                yield source

    def _add(self, source: Source, *, named: bool) -> None:
        source = self._seen.setdefault((source.path.resolve(), source.member), source)
        named_table = table_of(source.name.lower())
        if named_table is not None and named_table.name in self._without:
            self._ignored.append(Ignored(source, self._without[named_table.name]))
            return
        try:
            table = table_in(source)
        except UnreadableFileError as error:
            self._problems.append(str(error))
            return
        if isinstance(table, Table):
            self._tables[source] = table
            self._named |= {source} if named else set()
        elif named and table == NO_TABLE and not source.member:
            self._problems.append(f"{source}: its name is to contain a table's, see docs/import.md")
        else:
            self._ignored.append(Ignored(source, table))

    def result(self) -> tuple[dict[Source, Table], list[Ignored]]:
        """Return what is read, and what is ignored. Raises UnreadableFileError."""
        files: dict[Source, Table] = {}
        for table, sources in self._groups():
            try:
                chosen = self._chosen(table, sources)
            except UnreadableFileError as error:
                self._problems.append(str(error))
                continue
            for source in chosen:
                files[source] = table
                self._try(source, table)
        if not (files or self._problems):
            self._problems.append("no file of any table that is taken in, see docs/import.md")
        if self._problems:
            ignored = (f"{source} is ignored: {why}" for source, why in self._ignored)
            raise UnreadableFileError("\n".join([*self._problems, *ignored]))
        return files, self._ignored

    def _groups(self) -> Iterator[tuple[Table, list[Source]]]:
        """Yield the files of each table; of research data packages, those of each course run."""
        by_table: defaultdict[str, list[Source]] = defaultdict(list)
        for source, table in self._tables.items():
            by_table[table.name].append(source)
        for sources in by_table.values():
            packages: defaultdict[str, list[Source]] = defaultdict(list)
            for source in sources:
                packages[package_of(source)].append(source)
            for group in [sources] if "" in packages else packages.values():
                yield self._tables[group[0]], group

    def _chosen(self, table: Table, sources: list[Source]) -> list[Source]:
        """Return the files of a table that are read. Raises UnreadableFileError where one is too many, or missing."""
        if set(sources) <= self._named:
            return sources
        by_part = {part: source for source in sources if (part := part_of(source, table)) is not None}
        parts = sorted(by_part)
        if len(parts) == len(sources) and len({part[1:] for part in parts}) == 1:
            gaps = [part.number + 1 for part, following in pairwise(parts) if following.number != part.number + 1]
            if parts[0].number in {0, 1} and not gaps:
                return [by_part[part] for part in parts]
            if parts[0].is_named_so:
                missing = gaps[0] if gaps else parts[0].number - 1
                fix = "add it, or name all files on the command line to go on without it"
                raise UnreadableFileError(f"{sources[0]}: part {missing} of {table.name} is missing: {fix}")
        first, *others = self._different(sources)
        if others:
            names = ", ".join(str(source) for source in others)
            fix = "move those away that are out of date, or name all on the command line if all are to be imported"
            raise UnreadableFileError(f"{first}: {table.name} is in other files, too, with other rows ({names}): {fix}")
        return [first]

    def _different(self, sources: list[Source]) -> list[Source]:
        """Return the files without copies of others."""
        found: dict[bytes, Source] = {}
        for source in sources if len(sources) > 1 else ():
            digest = sha256()
            for chunk in contents(source):
                digest.update(chunk)
            first = found.setdefault(digest.digest(), source)
            if first is not source:
                self._ignored.append(Ignored(source, f"it is a copy of {first}"))
        return list(found.values()) or sources

    def _try(self, source: Source, table: Table) -> None:
        """Note what is wrong with a file: with its columns, or with its end."""
        try:
            shape_of(source, table)
            for _ in contents(source) if source.member or packing_of(source.name) else ():
                pass
        except UnreadableFileError as error:
            self._problems.append(str(error))
