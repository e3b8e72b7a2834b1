"""Connects an Open edX installation to the course-certificates service.

Settings name what is here: `EVENT_BUS_PRODUCER = "openedx_course_certificates.create_producer"` and
`EVENT_BUS_CONSUMER = "openedx_course_certificates.SqsConsumer"`.
"""

from openedx_course_certificates.consumer import SqsConsumer
from openedx_course_certificates.producer import create_producer

__all__ = ["SqsConsumer", "create_producer"]
