"""The files of an import: which of them are tables, and their rows. Whatever can't be read is named, with the fix."""

from certs.imports.files.reading import Line, read_rows
from certs.imports.files.sources import Source, UnreadableFileError
from certs.imports.files.survey import files_of

__all__ = ["Line", "Source", "UnreadableFileError", "files_of", "read_rows"]
