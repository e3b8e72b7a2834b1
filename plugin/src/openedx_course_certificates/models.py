"""What the plugin stores in the platform's database: what it applied last, of a certificate and of a course run."""

from typing import ClassVar

from django.db import models


class AppliedCertificate(models.Model):
    """The state of a learner's certificate in a course run that the service sent last.

    `number` is its place in the service's history: a smaller one is older, in whatever order messages arrive.
    """

    learner_id = models.IntegerField()
    course_key = models.CharField(max_length=255)
    number = models.IntegerField(default=0)
    state = models.JSONField(default=dict)  # the row's columns, as they are to be
    modified = models.DateTimeField(auto_now=True)

    class Meta:
        """One row for a learner in a course run."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["learner_id", "course_key"], name="certificates_applied_once")
        ]

    def __str__(self) -> str:
        """Return whose certificate it is."""
        return f"{self.learner_id} in {self.course_key}: {self.state.get('status')}"


class CourseRunRollout(models.Model):
    """Who decides certificates in a course run: the old logic (`off`, `shadow`) or the service (`live`)."""

    course_key = models.CharField(max_length=255, unique=True)
    rollout = models.CharField(max_length=10)
    since = models.DateTimeField()

    def __str__(self) -> str:
        """Return who decides."""
        return f"{self.course_key}: {self.rollout}"
