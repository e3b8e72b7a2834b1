"""Sessions of botocore, without what it works out anew at each request though it is always the same.

That is a quarter of the CPU of a request to DynamoDB, and more of a transaction: see docs/performance.md.
"""

from typing import Any

from botocore.config import Config
from botocore.session import Session


def lean(session: Session) -> Session:
    """Have the session's clients say one thing of themselves, and those of DynamoDB stay at one endpoint."""
    session.set_default_client_config(Config(user_agent="course-certificates"))
    session.register("creating-client-class.dynamodb", _at_one_endpoint)
    return session


def _at_one_endpoint(**making: Any) -> None:
    def endpoint(client: Any, *_: object) -> tuple[str, dict[str, str], dict[str, Any]]:
        return client.meta.endpoint_url, {}, {}  # what botocore says of a service that has no rules for it

    making["class_attributes"]["_resolve_endpoint_ruleset"] = endpoint
