"""The app."""

from django.apps import AppConfig


class CourseOverviewsConfig(AppConfig):
    """Named as on the platform."""

    name = "plugin.tests.platform.course_overviews"
    label = "course_overviews"
