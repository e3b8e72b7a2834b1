"""The app."""

from django.apps import AppConfig


class CertificatesConfig(AppConfig):
    """Named as on the platform."""

    name = "plugin.tests.platform.certificates"
    label = "certificates"
