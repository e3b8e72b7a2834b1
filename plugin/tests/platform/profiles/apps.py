"""The app."""

from django.apps import AppConfig


class ProfilesConfig(AppConfig):
    """Named as on the platform."""

    name = "plugin.tests.platform.profiles"
    label = "student"
