"""What a CI job runs to log in with the token of its platform, ready to paste."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chalicelib.instances.models import InstanceView

KINDS: Final = ("github", "gitlab", "kubernetes", "other")


@dataclass(frozen=True)
class Example:
    """What a rule for that platform looks like."""

    issuer: str
    subject: str
    claims: str


_EXAMPLES: Final[Mapping[str, Example]] = {
    "github": Example(
        "https://token.actions.githubusercontent.com",
        "repo:acme/web:ref:refs/heads/main",
        "repository_owner_id=1234567",
    ),
    "gitlab": Example("https://gitlab.com", "project_path:acme/web:ref_type:branch:ref:main", "project_id=1234567"),
    "kubernetes": Example("https://kubernetes.example.com", "system:serviceaccount:ci:builder", ""),
    "other": Example("https://issuer.example.com", "job:*", ""),
}

# What all of them do with the token once they have it. A mask keeps the password out of the job's log.
_LOGIN: Final = (
    """login=$(curl -sSf -H 'Content-Type: application/json' -d "{{\\"token\\": \\"$token\\"}}" {url})""",
    'echo "$login" | jq -r .password | docker login {address} -u "$(echo "$login" | jq -r .username)" --password-stdin',
)
_GITHUB: Final = """permissions:
  id-token: write
steps:
  - name: Log in to the registry
    run: |
      token=$(curl -sSf -H "Authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" \\
        "$ACTIONS_ID_TOKEN_REQUEST_URL&audience={audience}" | jq -r .value)
      {take}
      echo "::add-mask::$(echo "$login" | jq -r .password)"
      {login}
"""
_GITLAB: Final = """push:
  id_tokens:
    REGISTRY_TOKEN:
      aud: {audience}
  script:
    - token=$REGISTRY_TOKEN
    - |
      {take}
    - |
      {login}
"""
_KUBERNETES: Final = """apiVersion: v1
kind: Pod
metadata:
  name: builder
  namespace: ci
spec:
  serviceAccountName: builder
  containers:
    - name: builder
      image: docker:cli
      command: ["sh", "-ec"]
      args:
        - |
          apk add --no-cache curl jq
          token=$(cat /var/run/registry/token)
          {take}
          {login}
      volumeMounts:
        - {{name: registry-token, mountPath: /var/run/registry, readOnly: true}}
  volumes:
    - name: registry-token
      projected:
        sources:
          - serviceAccountToken: {{audience: "{audience}", expirationSeconds: 3600, path: token}}
"""
_OTHER: Final = """# $token: a token that your platform signed for the audience {audience}
{take}
{login}
"""
_SNIPPETS: Final = {"github": _GITHUB, "gitlab": _GITLAB, "kubernetes": _KUBERNETES, "other": _OTHER}


def kind_of(issuer: str) -> str:
    for kind in ("github", "gitlab"):
        if kind in issuer:
            return kind
    return "kubernetes" if "kubernetes" in issuer or "eks" in issuer else "other"


def example_of(kind: str) -> Example:
    return _EXAMPLES.get(kind, _EXAMPLES[KINDS[0]])


def snippet(kind: str, audience: str, instance: InstanceView, origin: str) -> str:
    """origin: of the API, as the reader reaches it: `https://host`."""
    url = f"{origin}/api/v1/instances/{instance.id}/workload-logins"
    take, login = (line.format(url=url, address=instance.public_address) for line in _LOGIN)
    return _SNIPPETS[kind].format(audience=audience, take=take, login=login)
