"""The tables of what was applied."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """Create both."""

    initial = True
    dependencies: ClassVar[list[tuple[str, str]]] = []
    operations: ClassVar = [
        migrations.CreateModel(
            name="AppliedCertificate",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("learner_id", models.IntegerField()),
                ("course_key", models.CharField(max_length=255)),
                ("number", models.IntegerField(default=0)),
                ("state", models.JSONField(default=dict)),
                ("modified", models.DateTimeField(auto_now=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=["learner_id", "course_key"], name="certificates_applied_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="CourseRunRollout",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("course_key", models.CharField(max_length=255, unique=True)),
                ("rollout", models.CharField(max_length=10)),
                ("since", models.DateTimeField()),
            ],
        ),
    ]
