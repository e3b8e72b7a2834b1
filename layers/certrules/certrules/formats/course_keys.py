"""Keys of course runs: which texts are one."""

import re
from urllib.parse import unquote

PIECE = r"[\w\-~.:]+"
OLD_PIECE = r"[\w\-.%]+"
COURSE_KEY = re.compile(
    rf"course-v1:{PIECE}\+{PIECE}\+{PIECE}"
    rf"|ccx-v1:{PIECE}\+{PIECE}\+{PIECE}\+ccx@\d+"
    rf"|{OLD_PIECE}/{OLD_PIECE}/{OLD_PIECE}"
)
"""Course runs of today, CCX, and the platform's old style (organization/course/run)."""

LONGEST = 255
"""How many characters the platform stores of a key."""


def is_course_key(text: str) -> bool:
    """Whether a text is the key of a course run."""
    is_key = len(text) <= LONGEST and COURSE_KEY.fullmatch(text) is not None
    return is_key and not ("/" in text and "-v1:" in unquote(text).lower())  # a pasted piece of an address
