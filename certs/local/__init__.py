"""The local cloud: the stack of a SAM template in one process, on moto, with its real functions."""

from certs.local.cloud import LocalCloud
from certs.local.delivery import Counts, Deliveries
from certs.local.machines import Execution
from certs.local.template import UnsupportedTemplateError

__all__ = ["Counts", "Deliveries", "Execution", "LocalCloud", "UnsupportedTemplateError"]
