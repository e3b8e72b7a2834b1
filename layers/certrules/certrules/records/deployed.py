"""The records of a deployment: put together from the stack's parameters, which are in the function's environment."""

import os
from random import SystemRandom
from uuid import uuid4

from aws_lambda_powertools import Logger

from certrules import aws, settings, storage
from certrules.platform_client import PlatformClient
from certrules.records.credentials import PARAMETERS, TIMEOUT_SECONDS, CredentialsClient
from certrules.records.delivering import Delivering
from certrules.records.running import Deployment, Records
from certrules.records.stored import DynamoDeliveries
from certrules.storage.records_table import connect_records


def deployed_records(logger: Logger) -> Records:
    """Connect to the tables and return what works off hints and what is due. Raises KeyError and PolicyError."""
    storage.connect(os.environ["CERTIFICATES_TABLE"], os.environ["HISTORY_TABLE"])
    connect_records(os.environ["RECORDS_TABLE"])
    deployment = Deployment(
        settings.policies(),
        settings.trusted_senders(),
        queue=os.environ["RECORDS_QUEUE_URL"],
        parked=os.environ["PARKED_QUEUE_URL"],
        bus=os.environ["BUS_NAME"],
        host=os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "records"),
        announces=os.environ["PROGRAM_EVENTS"] == "service",
    )
    url, token_url, secret = (os.environ[f"CREDENTIALS_{name}"] for name in ("URL", "TOKEN_URL", "SECRET"))
    client = PlatformClient(url, token_url, secret, PARAMETERS, timeout=TIMEOUT_SECONDS)
    service = CredentialsClient(client)
    delivering = Delivering(DynamoDeliveries(), service, aws.now, SystemRandom().random, lambda: uuid4().hex)
    return Records(deployment, delivering, aws.now, logger)
