"""The platform's rows: columns as in columns.csv, and the signals that saving a certificate sends there."""

from typing import Any

from django.contrib.auth import get_user_model
from django.db import models
from opaque_keys.edx.django.models import CourseKeyField
from openedx_events.learning.data import CertificateData, CourseData, UserData, UserPersonalData
from openedx_events.learning.signals import CERTIFICATE_CHANGED, CERTIFICATE_CREATED


class GeneratedCertificate(models.Model):
    """A learner's certificate in a course run."""

    user = models.ForeignKey(get_user_model(), on_delete=models.CASCADE)
    course_id = CourseKeyField(max_length=255, blank=True, default=None)
    verify_uuid = models.CharField(max_length=32, blank=True, default="", db_index=True)
    download_uuid = models.CharField(max_length=32, blank=True, default="")
    download_url = models.CharField(max_length=128, blank=True, default="")
    grade = models.CharField(max_length=5, blank=True, default="")
    key = models.CharField(max_length=32, blank=True, default="")
    distinction = models.BooleanField(default=False)
    status = models.CharField(max_length=32, default="unavailable")
    mode = models.CharField(max_length=32, default="honor")
    name = models.CharField(blank=True, max_length=255)
    created_date = models.DateTimeField(auto_now_add=True)
    modified_date = models.DateTimeField(auto_now=True)
    error_reason = models.CharField(max_length=512, blank=True, default="")

    class Meta:
        unique_together = (("user", "course_id"),)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, and send CERTIFICATE_CHANGED, and CERTIFICATE_CREATED of a downloadable one."""
        super().save(*args, **kwargs)
        pii = UserPersonalData(username=self.user.username, email=self.user.email, name=self.user.profile.name)
        data = CertificateData(
            user=UserData(pii=pii, id=self.user.id, is_active=self.user.is_active),
            course=CourseData(course_key=self.course_id),
            mode=self.mode,
            grade=self.grade,
            current_status=self.status,
            download_url=self.download_url,
            name=self.name,
        )
        CERTIFICATE_CHANGED.send_event(certificate=data)
        if self.status == "downloadable":
            CERTIFICATE_CREATED.send_event(certificate=data)


class CertificateAllowlist(models.Model):
    """An entry of the allowlist."""

    user = models.ForeignKey(get_user_model(), on_delete=models.CASCADE)
    course_id = CourseKeyField(max_length=255, blank=True, default=None)
    created = models.DateTimeField(auto_now_add=True)
    modified = models.DateTimeField(auto_now=True)
    allowlist = models.BooleanField(default=False)
    notes = models.TextField(default=None, null=True)

    class Meta:
        unique_together = (("course_id", "user"),)


class CertificateInvalidation(models.Model):
    """A person's invalidation of a certificate."""

    generated_certificate = models.ForeignKey(GeneratedCertificate, on_delete=models.CASCADE)
    invalidated_by = models.ForeignKey(get_user_model(), on_delete=models.CASCADE)
    created = models.DateTimeField(auto_now_add=True)
    modified = models.DateTimeField(auto_now=True)
    notes = models.TextField(default=None, null=True)
    active = models.BooleanField(default=True)


class CertificateDateOverride(models.Model):
    """A date that a person had a certificate show."""

    generated_certificate = models.OneToOneField(
        GeneratedCertificate, on_delete=models.CASCADE, related_name="date_override"
    )
    date = models.DateTimeField()
    reason = models.TextField()
    overridden_by = models.ForeignKey(get_user_model(), on_delete=models.DO_NOTHING)
    created = models.DateTimeField(auto_now_add=True)
    modified = models.DateTimeField(auto_now=True)
