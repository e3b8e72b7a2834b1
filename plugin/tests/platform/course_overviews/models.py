"""The settings of a course run, as the platform has them."""

from django.db import models
from opaque_keys.edx.django.models import CourseKeyField


class CourseOverview(models.Model):
    """The columns that certificates hang on."""

    id = CourseKeyField(max_length=255, primary_key=True)
    created = models.DateTimeField(auto_now_add=True)
    modified = models.DateTimeField(auto_now=True)
    end = models.DateTimeField(null=True)
    self_paced = models.BooleanField(default=False)
    certificates_display_behavior = models.TextField(null=True)
    certificates_show_before_end = models.BooleanField(default=False)
    certificate_available_date = models.DateTimeField(null=True)
    cert_html_view_enabled = models.BooleanField(default=True)
