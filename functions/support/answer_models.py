"""What the models of answers are made of: the base, and models of named tuples."""

from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from certrules.core.explain import what_if
from models import Instant

type Instants = Instant | None


class Answer(BaseModel):
    """An answer, with these fields and no others."""

    model_config = ConfigDict(extra="forbid")


class PossibleChange(Answer):
    """Something that could be done."""

    code: str
    sentence: str
    who: str


def model_of(kind: Any, name: str = "", **more: Any) -> type[BaseModel]:
    """Return the model of a named tuple's JSON, so that the document follows the code; `more` are added or replaced."""
    fields: dict[str, Any] = {field: (_as_json(hint), ...) for field, hint in get_type_hints(kind).items()}
    return create_model(name or kind.__name__, __base__=Answer, __doc__=kind.__doc__, **{**fields, **more})


def _as_json(hint: Any) -> Any:
    if hint is what_if.PossibleChange:
        return PossibleChange
    if get_origin(hint) is tuple:
        return list[_as_json(get_args(hint)[0])]  # type: ignore[misc]
    if get_origin(hint) in {Union, UnionType}:
        return Union[tuple(_as_json(part) for part in get_args(hint))]  # noqa: UP007 - its parts are known only here
    return model_of(hint) if hasattr(hint, "_fields") else hint
