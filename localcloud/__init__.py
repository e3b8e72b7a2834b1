"""The local cloud: the stack of a SAM template in one process, on moto, with its real functions."""

from localcloud.cloud import LocalCloud
from localcloud.custom_resources import StackFailedError
from localcloud.delivery import Deliveries, DeliveryCounts
from localcloud.machines import Execution
from localcloud.template import UnsupportedTemplateError

__all__ = ["Deliveries", "DeliveryCounts", "Execution", "LocalCloud", "StackFailedError", "UnsupportedTemplateError"]
