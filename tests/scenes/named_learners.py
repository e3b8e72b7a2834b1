"""Learners with names: a stack that stores them, and events that bring them along."""

import json
from collections.abc import Iterator
from datetime import datetime
from uuid import uuid4

import pytest

from certrules import storage
from certrules.formats.learner_names import Name
from certs.run import LOCAL_PARAMETERS
from certs.sources import event_builders
from certs.sources.event_builders import Detail
from localcloud import LocalCloud
from tests.scenes.scene import TEMPLATE, Learner, Scene

WITH_NAMES = {**LOCAL_PARAMETERS, "LearnerNames": "on"}
EMAIL = "ada.lovelace@example.org"


@pytest.fixture(scope="module")
def stack() -> Iterator[Scene]:
    """A stack with LearnerNames on."""
    with LocalCloud(TEMPLATE, WITH_NAMES) as cloud:
        yield Scene(cloud)


def with_pii(detail: Detail, username: object = "ada", name: object = "Ada Lovelace") -> Detail:
    """Return an event in which the platform sends along who the learner is."""
    found: Detail = json.loads(json.dumps(detail))
    (data,) = (value for key, value in found.items() if key != "metadata")
    user = data["user"] if "user" in data else data["student_user"]
    user["pii"] = {"username": username, "email": EMAIL, "name": name}
    return found


def named(learner: Learner, at: datetime, username: str, name: str) -> Detail:
    """Return the event that names a learner."""
    about = learner.learner_id
    return event_builders.learner("learner.named", uuid4(), at, about, username=username, name=name)


def renamed(learner: Learner, at: datetime, username: str) -> Detail:
    """Return the event that gives a learner another username."""
    return event_builders.learner("learner.renamed", uuid4(), at, learner.learner_id, username=username)


def erased(learner: Learner, at: datetime) -> Detail:
    """Return the event that erases a learner's names."""
    return event_builders.learner("learner.erased", uuid4(), at, learner.learner_id)


def name_of(learner: Learner) -> Name:
    """Return the stored names of a learner."""
    return storage.name_of(storage.load(names=[learner.learner_id]).names[learner.learner_id]).current
