"""The platform's stand-in beside the service's own stack on the local cloud, connected by HTTP as in the world."""

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from plugin.tests.both_sides import ROOT, Platform, Stack

os.environ["DJANGO_SETTINGS_MODULE"] = "plugin.tests.platform.settings"

_numbers = count(1)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The platform's database, migrated; several processes may use it."""
    path = tmp_path_factory.mktemp("platform") / "db.sqlite3"
    os.environ["PLATFORM_DATABASE"] = str(path)
    import django
    from django.core.management import call_command
    from django.db import connection

    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode=WAL")
    return path


@pytest.fixture(scope="session")
def clouds(database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The stack of the template, and what the platform adds to it: a stack's start takes longer than most tests."""
    with Stack(PlatformSources="openedx/*") as cloud:
        yield Platform(cloud, database, tmp_path_factory.mktemp("state"))


@pytest.fixture
def platform(clouds: Platform) -> Iterator[Platform]:
    """Both sides, with nothing under way."""
    from django.test import override_settings

    from openedx_course_certificates import rollout, sender

    with override_settings(OPENEDX_COURSE_CERTIFICATES=clouds.options()):
        rollout.forget()
        yield clouds
        sender.close()
    for name in ("IngestQueue", "ParkedQueue"):
        clouds.queued(clouds.cloud.physical(name))
    clouds.queued(clouds.outputs["QueueUrl"])
    clouds.queued(clouds.dead_letters)


@pytest.fixture
def course_run() -> str:
    """The key of a course run that nobody knows yet."""
    return f"course-v1:DemoX+CS{next(_numbers)}+2026"


@pytest.fixture
def learner(database: Path) -> Any:
    """A learner of whom the service knows nothing."""
    assert database.exists()
    from plugin.tests.platform.doings import new_learner

    number = next(_numbers)
    return new_learner(f"ada{number}", f"Ada {number}")


@pytest.fixture
def shared_columns() -> dict[str, set[str]]:
    """The columns of the platform's tables, as a real installation has them."""
    path = Path(os.environ.get("CERTS_DATA", ROOT.parent / "shared" / "data")) / "sql" / "columns.csv"
    if not path.exists():
        pytest.skip(f"no {path}")
    found: dict[str, set[str]] = {}
    for line in path.read_text().splitlines():
        table, column, *_ = line.split(",")
        found.setdefault(table, set()).add(column)
    return found
