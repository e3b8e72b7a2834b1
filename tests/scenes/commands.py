"""The `certs` command, in this process and apart."""

import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from certs.cli import main
from certs.sources.event_builders import Detail

CERTS = Path(sysconfig.get_path("scripts")) / "certs"


STORY = Path(__file__).parents[1] / "certs" / "story" / "events.jsonl"


CERTIFICATES = STORY.with_name("certificates.jsonl")


COURSE_RUN = "course-v1:DemoX+CS101+2026_T1"


def certs(*arguments: str | Path, stdin: str | bytes = "") -> Result:
    """Run the command in this process."""
    return CliRunner(mix_stderr=False).invoke(
        main, [str(argument) for argument in arguments], input=stdin, prog_name="certs"
    )


def certs_apart(*arguments: str | Path, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Run the installed program, in a process of its own."""
    return subprocess.run([CERTS, *arguments], check=False, capture_output=True, text=True, timeout=180, **settings)


def learner_of(detail: Detail) -> int | None:
    """Return whom an event is about; None for a whole course run."""
    content: Detail = next(content for key, content in detail.items() if key != "metadata")
    user = content.get("user") or content.get("student_user") or {}
    found: int | None = user.get("id") or content.get("user_id") or content.get("learner_id")
    return found
