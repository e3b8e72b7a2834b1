"""What the search answers, as the OpenAPI document has it."""

from typing import Annotated

from pydantic import Field

from answer_models import Answer, model_of
from certrules.support import search_hits

Hit = model_of(search_hits.Hit, path=(Annotated[str, Field(description="The console's page of it.")], ...))


class FoundAnything(Answer):
    """What a text means."""

    understood: Annotated[list[str], Field(description="How the text was read.")]
    opens: Annotated[Hit | None, Field(description="The one thing that it means; null: a choice, or nothing.")]  # type: ignore[valid-type]
    hits: list[Hit]  # type: ignore[valid-type]
    contradiction: Annotated[str, Field(description="Why the things named don't belong together; empty if they do.")]
    further: Annotated[list[str], Field(description="What could not be looked up, and how to look further.")]
    left: Annotated[int, Field(description="How many more there are than are listed.")]
