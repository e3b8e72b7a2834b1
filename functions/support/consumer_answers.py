"""What the calls about consumers answer."""

from typing import Annotated, Any

from pydantic import Field

from answer_models import Answer, Instants, model_of
from certrules.support import consumers
from models import Instant

Missed: Any = model_of(consumers.Missed, since=(Instant, ...))
type MissedOfCase = Annotated[
    list[Missed] | None,
    Field(description="Those of this certificate, of the first 50 of `undelivered`; null: as of an instant."),
]
Target: Any = model_of(consumers.Target, oldest=(Instants, ...))
Consumer: Any = model_of(
    consumers.Consumer,
    last_sent=(Instants, ...),
    failing_since=(Instants, ...),
    dead_since=(Instants, ...),
    event_types=(Annotated[list[str], Field(description="Those that the rule names; none: all.")], ...),
    targets=(list[Target], ...),
)
CredentialsService: Any = model_of(consumers.Service, "CredentialsService", oldest=(Instants, ...))


class Consumers(Answer):
    """What is known of who takes status changes, and whether they arrive."""

    since: Instant
    until: Instant
    published: Annotated[int, Field(description="Events that the bus took in this time.")]
    consumers: list[Consumer]
    left: Annotated[int, Field(description="Consumers that are not listed.")]
    undelivered: Annotated[int, Field(description="Events, of all consumers, that lie in the dead letters.")]
    looked_at: Annotated[int, Field(description="Of how many of these it is known whose they are.")]
    credentials: Annotated[CredentialsService | None, Field(description="null: records are off.")]
    unknown: Annotated[list[str], Field(description="What can't be known here.")]
