"""What immutability rules are (P1)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from chalicelib.edge.answers import SearchQuery
from chalicelib.kernel.modelling import GIVEN, KEPT
from chalicelib.kernel.moment import Moment
from chalicelib.kernel.names import NamespaceName
from chalicelib.kernel.patterns import Pattern


class NewRule(BaseModel):
    """repositories: pattern of names inside the namespace; tags: pattern of tags; both `**` for all."""

    model_config = GIVEN

    namespace: NamespaceName
    repositories: Pattern = Pattern("**")
    tags: Pattern = Pattern("**")
    enabled: bool = True


class RuleEdit(BaseModel):
    """What may be changed later; what is left out stays as it is."""

    model_config = GIVEN

    repositories: Pattern | None = None
    tags: Pattern | None = None
    enabled: bool | None = None


class Rule(BaseModel):
    """One rule of a namespace, as the namespace's policy holds it."""

    model_config = KEPT

    id: str
    repositories: Pattern
    tags: Pattern
    enabled: bool
    created_at: Moment
    created_by: str


class Policy(BaseModel):
    """All rules of a namespace. version: 0 where there never were any; raised by every change."""

    model_config = KEPT

    namespace_id: str
    version: Annotated[int, Field(ge=0)] = 0
    rules: tuple[Rule, ...] = ()
    schema_version: int = 1


class RuleQuery(SearchQuery):
    """namespace: only rules of this one; search: only those whose namespace or patterns hold this text; enabled: only
    such; sort: by namespace."""

    namespace: Annotated[str, Field(max_length=255)] = ""
    enabled: bool | None = None
    sort: Literal["namespace", "-namespace"] = "namespace"


class RuleView(Rule):
    """A rule as the API shows it."""

    namespace: str
