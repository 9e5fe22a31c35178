"""What clients send to the room's endpoints, and what they see of its records."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from chalicelib.edge.answers import ListQuery, SearchQuery
from chalicelib.identity.passwords import weakness
from chalicelib.kernel.errors import Invalid
from chalicelib.kernel.modelling import GIVEN, MADE
from chalicelib.kernel.moment import Moment
from chalicelib.kernel.patterns import Pattern, SubjectPattern
from chalicelib.kernel.principal import Action

from .models import ClaimValue, Credential, Kind, NewSecret, Permission, Workload

MOST_PERMISSIONS = 50
_PRINTABLE = r"^[!-~]+$"
Username = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]
ClaimName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=_PRINTABLE)]


def _claim(given: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """One finding under the claim's own name, and not one for each type it could have."""
    try:
        return validate(given)
    except ValidationError as findings:
        raise ValueError("a claim is true, false, a whole number, or text of 1 024 characters at most") from findings


# A claim's text can be as long as a token; rules compare what people write down.
_Text = Annotated[str, StringConstraints(max_length=1024)]
# No further than what JSON's readers agree on.
_Whole = Annotated[int, Field(ge=-(2**53), le=2**53)]
Claim = Annotated[_Text | bool | _Whole, WrapValidator(_claim)]


def _at_least_one(items: tuple[Any, ...]) -> tuple[Any, ...]:
    if not items:
        raise ValueError("needs at least one entry")
    return items


# Not `min_length`: pydantic would count a bad entry as none, and name the field beside the entry.
_AT_LEAST_ONE = AfterValidator(_at_least_one)
_SOME = Field(json_schema_extra={"minItems": 1})


class Input(BaseModel):
    model_config = GIVEN


class View(BaseModel):
    model_config = MADE


class NewPermission(Input):
    """Actions in the repositories whose namespace and whose name inside it both match."""

    namespaces: Annotated[Pattern, Field(examples=["library"])]
    repositories: Annotated[Pattern, Field(examples=["**"])]
    actions: Annotated[tuple[Action, ...], Field(max_length=len(Action)), _SOME, _AT_LEAST_ONE]

    @property
    def permission(self) -> Permission:
        """Each action once."""
        return Permission(
            namespaces=self.namespaces,
            repositories=self.repositories,
            actions=tuple(action for action in Action if action in self.actions),
        )


Permissions = Annotated[tuple[NewPermission, ...], Field(max_length=MOST_PERMISSIONS), _SOME, _AT_LEAST_ONE]


class NewRobot(Input):
    """password: generated where it is null, which is best; expires_at: null for a credential that does not end."""

    username: Annotated[Username, Field(examples=["ci"])]
    password: SecretStr | None = Field(default=None, examples=[None])
    permissions: Permissions
    expires_at: Moment | None = None


class PasswordChange(Input):
    """password: generated where it is null."""

    password: SecretStr | None = Field(default=None, examples=[None])


class PermissionView(View):
    namespaces: str
    repositories: str
    actions: tuple[Action, ...]

    @classmethod
    def of(cls, permission: Permission) -> PermissionView:
        return cls(namespaces=permission.namespaces, repositories=permission.repositories, actions=permission.actions)


class CredentialQuery(SearchQuery):
    """kind: only such; `workload`: those that workloads got; sort: by what, `-` for the last first."""

    kind: Literal["primary", "robot", "workload"] | None = None
    sort: Literal[
        "username", "-username", "created_at", "-created_at", "expires_at", "-expires_at", "changed_at", "-changed_at"
    ] = "username"


class WorkloadQuery(ListQuery):
    """search: only rules whose issuer, audience or subject holds this text; sort: by what, `-` for the newest or last
    first."""

    search: Annotated[str, Field(max_length=255)] = ""
    sort: Literal["created_at", "-created_at", "issuer", "-issuer", "subject", "-subject"] = "created_at"


class CredentialView(View):
    """permissions: null for the primary credential, which may do everything; workload: the rule by which a workload
    logged in, null for all others; changed_at: when the password was set."""

    username: str
    kind: Kind
    login_command: str
    permissions: tuple[PermissionView, ...] | None
    expires_at: Moment | None
    workload: str | None
    created_at: Moment
    created_by: str
    changed_at: Moment

    @classmethod
    def of(cls, credential: Credential, login_command: str) -> CredentialView:
        robot = credential.kind == "robot"
        return cls(
            username=credential.username,
            kind=credential.kind,
            login_command=login_command,
            permissions=tuple(PermissionView.of(one) for one in credential.permissions) if robot else None,
            expires_at=credential.expires_at,
            workload=credential.workload or None,
            created_at=credential.created_at,
            created_by=credential.created_by,
            changed_at=credential.changed_at,
        )


class SecretView(CredentialView):
    """password: the generated one, shown this once; null where it was chosen."""

    password: str | None

    @classmethod
    def bearing(cls, new: NewSecret, login_command: str) -> SecretView:
        shown = CredentialView.of(new.credential, login_command)
        return cls(**dict(shown), password=new.password or None)


class NewWorkload(Input):
    """
    issuer       exactly as tokens name it, where `/.well-known/openid-configuration` stands under it
    audience     what tokens are made for; the instance's public address where it is null
    subject      which of the issuer's subjects: exact, a beginning (`repo:acme/*`), or a list in braces
    claims       claims that a token must have besides, with exactly these values
    permissions  what the credential may do that a token is exchanged for
    lifetime_s   how long that credential lives
    """

    issuer: Annotated[
        str,
        StringConstraints(min_length=8, max_length=500, pattern=r"^https?://[!-~]+$"),
        Field(examples=["https://token.actions.githubusercontent.com"]),
    ]
    audience: Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=_PRINTABLE)] | None = None
    subject: Annotated[SubjectPattern, Field(examples=["repo:acme/app:*"])]
    claims: Annotated[dict[ClaimName, Claim], Field(max_length=20)] = {}
    permissions: Permissions
    lifetime_s: Annotated[int, Field(ge=60, le=3600)] = 900


class WorkloadView(View):
    id: str
    issuer: str
    audience: str
    subject: str
    claims: dict[str, ClaimValue]
    permissions: tuple[PermissionView, ...]
    lifetime_s: int
    created_at: Moment
    created_by: str

    @classmethod
    def of(cls, workload: Workload) -> WorkloadView:
        return cls(
            id=workload.id,
            issuer=workload.issuer,
            audience=workload.audience,
            subject=workload.subject,
            claims=dict(workload.claims),
            permissions=tuple(PermissionView.of(one) for one in workload.permissions),
            lifetime_s=workload.lifetime_s,
            created_at=workload.created_at,
            created_by=workload.created_by,
        )


class WorkloadLogin(Input):
    """token: of an identity provider, made for the audience that a rule of the instance names."""

    token: SecretStr


class LoginAnswer(View):
    """A credential for a job. password: shown this once."""

    username: str
    password: str
    expires_at: Moment
    login_command: str


def require_strong(password: SecretStr | None, username: str) -> str | None:
    """What somebody chose, None for nothing. Raises Invalid naming `password`."""
    if password is None:
        return None
    wrong = weakness(password.get_secret_value(), username)
    if wrong:
        raise Invalid("password", wrong)
    return password.get_secret_value()
