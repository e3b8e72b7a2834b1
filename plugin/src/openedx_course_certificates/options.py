"""The settings of the plugin: one dictionary, `OPENEDX_COURSE_CERTIFICATES`, in the platform's settings."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

SETTING = "OPENEDX_COURSE_CERTIFICATES"
ROLLOUTS = ("off", "shadow", "live")


@dataclass(frozen=True)
class Options:
    """The plugin's settings. In the platform's settings their names are in capitals: `bus` is `BUS`."""

    bus: str = ""  # the EventBridge bus: a name, or an ARN where it is in another account; empty sends nothing
    region: str = ""  # of bus and queue; empty: as boto3 finds it
    endpoint_url: str = ""  # where AWS is answered for; only for a local cloud
    send_personal_data: bool = False  # whether usernames, names and e-mails stay in the events
    buffer_events: int = 10_000  # how many events wait at most while the bus can't be reached
    buffer_folder: str = field(default_factory=lambda: str(Path(tempfile.gettempdir()) / "openedx-course-certificates"))
    """Where waiting events are stored, so that they outlive their process; empty: only in memory."""
    connect_seconds: float = 2.0  # time-outs of requests to AWS, in the background
    read_seconds: float = 5.0
    queues: Mapping[str, str] = field(default_factory=dict)  # the address of the SQS queue of each topic
    wait_seconds: int = 10  # how long one request waits for messages
    health_file: str = ""  # the consumer writes it each time the queue answered
    rollout: str = "off"  # of course runs whose rollout was never received, like the stack's parameter Rollout
    cache_seconds: float = 60.0  # how long a process remembers a course run's rollout
    write_certificates: bool = True  # whether the service's certificates become rows of the LMS


@lru_cache(maxsize=1)
def options() -> Options:
    """Return the plugin's settings. Raises ImproperlyConfigured, naming the one that is wrong."""
    given = getattr(settings, SETTING, {})
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured(f"{SETTING} is to be a dictionary")
    known = {item.name.upper(): item for item in fields(Options)}
    if unknown := sorted(set(given) - set(known)):
        raise ImproperlyConfigured(f"{SETTING} has no {', '.join(unknown)}; it has {', '.join(known)}")
    found = Options(**{known[name].name: value for name, value in given.items()})
    if found.rollout not in ROLLOUTS:
        raise ImproperlyConfigured(f"{SETTING}['ROLLOUT'] is {found.rollout!r}, and not one of {', '.join(ROLLOUTS)}")
    return found


def client(service: str, read_seconds: float | None = None) -> Any:
    """Return an AWS client with short time-outs. Retries are ours: they have to let a process end."""
    found = options()
    config = Config(
        connect_timeout=found.connect_seconds,
        read_timeout=read_seconds or found.read_seconds,
        retries={"total_max_attempts": 1, "mode": "standard"},
        user_agent="openedx-course-certificates",  # a fixed one: botocore makes its own again for each request
        parameter_validation=False,  # what is sent here is of our own making
    )
    session = boto3.session.Session()  # the default session isn't safe between threads
    return session.client(
        service,  # type: ignore[call-overload]
        region_name=found.region or None,
        endpoint_url=found.endpoint_url or None,
        config=config,
    )


def _forget(*, setting: str, **_: object) -> None:
    if setting == SETTING:
        options.cache_clear()


setting_changed.connect(_forget)
