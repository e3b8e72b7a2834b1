"""Settings of the stand-in. The environment names database, bus and queue, as processes of a test share them."""

import os

SECRET_KEY = "of a test"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "openedx_events",
    "plugin.tests.platform.profiles",
    "plugin.tests.platform.certificates",
    "plugin.tests.platform.course_overviews",
    "openedx_course_certificates",
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("PLATFORM_DATABASE", ":memory:"),
        "OPTIONS": {"timeout": 20},
    }
}
SERVICE_VARIANT = "lms"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {"openedx_course_certificates": {"handlers": ["console"], "level": "INFO"}},
}

EVENT_BUS_PRODUCER = "openedx_course_certificates.create_producer"
EVENT_BUS_CONSUMER = "openedx_course_certificates.SqsConsumer"
EVENT_BUS_PRODUCER_CONFIG = {
    f"org.openedx.learning.{name}.v1": {topic: {"event_key_field": key, "enabled": True}}
    for name, topic, key in (
        ("course.enrollment.created", "learning-enrollment", "enrollment.course.course_key"),
        ("course.enrollment.changed", "learning-enrollment", "enrollment.course.course_key"),
        ("course.passing.status.updated", "learning-grades", "course_passing_status.course.course_key"),
        ("course.persistent_grade_summary.changed", "learning-grades", "grade.course.course_key"),
        ("idv_attempt.approved", "learning-id-verification", "idv_attempt.user.id"),
        ("certificate.created", "learning-certificate-lifecycle", "certificate.course.course_key"),
        ("certificate.changed", "learning-certificate-lifecycle", "certificate.course.course_key"),
    )
}
OPENEDX_COURSE_CERTIFICATES = {
    "BUS": os.environ.get("PLATFORM_BUS", ""),
    "ENDPOINT_URL": os.environ.get("PLATFORM_ENDPOINT", ""),
    "QUEUES": {"course-certificates": os.environ.get("PLATFORM_QUEUE", "")},
    "BUFFER_FOLDER": os.environ.get("PLATFORM_BUFFER", ""),
    "HEALTH_FILE": os.environ.get("PLATFORM_HEALTH", ""),
    "WAIT_SECONDS": 1,
    "CONNECT_SECONDS": 1,
    "READ_SECONDS": 2,
    "CACHE_SECONDS": 0,
}
OPEN_EDX_FILTERS_CONFIG = {
    "org.openedx.learning.certificate.creation.requested.v1": {
        "fail_silently": True,
        "pipeline": ["openedx_course_certificates.filters.LeaveLiveCourseRunsToTheService"],
    }
}
