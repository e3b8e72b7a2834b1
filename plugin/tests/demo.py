"""`make demo-openedx`: an Open edX platform and the service, from an enrollment to a row and back, as a story.

The platform is a stand-in with the platform's signals and rows; its side runs the real openedx-events and
openedx-filters, and the service's side is its whole stack on the local cloud.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ["DJANGO_SETTINGS_MODULE"] = "plugin.tests.platform.settings"

COURSE_RUN = "course-v1:DemoX+CS101+2026_T1"


def main() -> None:
    """Run the story."""
    with tempfile.TemporaryDirectory() as folder, _both(Path(folder)) as platform:
        _story(platform)


@contextmanager
def _both(folder: Path) -> Iterator[Any]:
    os.environ["PLATFORM_DATABASE"] = str(folder / "db.sqlite3")
    import logging

    import django
    from django.core.management import call_command
    from django.test import override_settings

    django.setup()
    for name in ("openedx_course_certificates", "openedx_filters"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    call_command("migrate", run_syncdb=True, verbosity=0)

    from openedx_course_certificates import sender
    from plugin.tests.both_sides import Platform, Stack

    _line("The service's stack starts on the local cloud, with a queue for the platform ...")
    with Stack() as cloud:
        platform = Platform(cloud, folder / "db.sqlite3", folder)
        with override_settings(OPENEDX_COURSE_CERTIFICATES=platform.options()):
            yield platform
            sender.close()


def _story(platform: Any) -> None:
    from django.db import transaction

    from openedx_course_certificates.sender import sender
    from plugin.tests.platform import doings
    from plugin.tests.platform.certificates.models import CertificateInvalidation
    from plugin.tests.platform.rows import generates

    _line(f"\nStudio publishes {COURSE_RUN}. Nobody set its rollout: the old logic decides.")
    doings.publish_course_run(COURSE_RUN)
    ada = doings.new_learner("ada", "Ada Lovelace")
    platform.settle()
    _line(f"  May the old logic generate?  {_yes(generates(ada, COURSE_RUN))}")

    _line("\nAn operator sets the course run live.")
    platform.go_live(COURSE_RUN)
    platform.settle()
    _line(f"  May the old logic generate?  {_yes(generates(ada, COURSE_RUN))}")

    _line("\nAda enrolls in verified mode, her ID is verified, she passes: three Django signals.")
    doings.enroll(ada, COURSE_RUN)
    doings.verify(ada)
    doings.grade(ada, COURSE_RUN, 0.87, "Pass")
    doings.pass_course_run(ada, COURSE_RUN)
    began = time.perf_counter()
    platform.settle()
    _row(ada, f"({time.perf_counter() - began:.1f} s later)")

    _line("\nBob enrolls, but his transaction rolls back: nothing is sent.")
    bob = doings.new_learner("bob", "Bob")
    sent = sender().counts["sent"]
    with transaction.atomic():
        doings.enroll(bob, COURSE_RUN)
        transaction.set_rollback(True)
    platform.settle()
    _line(f"  events sent: {sender().counts['sent'] - sent}")

    _line("\nStaff invalidate Ada's certificate in the platform's dashboard.")
    invalidation = CertificateInvalidation.objects.create(
        generated_certificate=_certificate(ada), invalidated_by=ada, notes="ticket 12"
    )
    platform.settle()
    _row(ada)
    _line("\nThey lift it: the same id, the same date.")
    invalidation.active = False
    invalidation.save()
    platform.settle()
    _row(ada)

    _line("\nThe old logic sets the row to notpassing all the same. The course run is live:")
    row = _certificate(ada)
    row.status = "notpassing"
    row.save()
    _row(ada)
    _away(platform, ada)


def _away(platform: Any, ada: Any) -> None:
    """Show that neither side waits for the other."""
    from django.test import override_settings

    from openedx_course_certificates import sender
    from plugin.tests.both_sides import free_port
    from plugin.tests.platform import doings

    _line("\nThe bus can't be reached while Cleo enrolls, is verified and passes.")
    cleo = doings.new_learner("cleo", "Cleo")
    with override_settings(
        OPENEDX_COURSE_CERTIFICATES=platform.options(ENDPOINT_URL=f"http://127.0.0.1:{free_port()}")
    ):
        began = time.perf_counter()
        doings.enroll(cleo, COURSE_RUN)
        doings.verify(cleo, 2)
        doings.pass_course_run(cleo, COURSE_RUN)
        _line(f"  her requests took {1000 * (time.perf_counter() - began):.0f} ms; three events wait on disk")
        sender.close()
    _line("  The bus is back, and Ada's next event brings them along.")
    doings.pass_course_run(ada, COURSE_RUN)
    platform.settle()
    _row(cleo)
    parked = platform.queued(platform.cloud.physical("ParkedQueue"))
    _line(f"\nParked by the service: {len(parked)}. In the platform's dead-letter queue: {_dead(platform)}.")


def _dead(platform: Any) -> int:
    return len(platform.queued(platform.dead_letters))


def _certificate(learner: Any) -> Any:
    from plugin.tests.platform.rows import row_of

    return row_of(learner, COURSE_RUN)


def _row(learner: Any, more: str = "") -> None:
    row = _certificate(learner)
    _line(
        f"  {learner.username}'s row in the LMS: {row.status}, {row.mode}, grade {row.grade or '-'}, "
        f"id {row.verify_uuid[:8]}…, dated {row.modified_date:%Y-%m-%d %H:%M:%S} {more}"
    )


def _yes(answer: bool) -> str:
    return "yes" if answer else "no: PreventCertificateCreation"


def _line(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
