"""What Kubernetes needs to run a repository's images: a pull secret and a Deployment, as YAML (K1).

Names come from users, so every one of them is written as a JSON string, which YAML reads as just that text: `null`,
`123` and `yes` are names here. Source: YAML 1.2.2, section 1.3 (JSON is a subset).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

from chalicelib.kernel.names import Digest, RepositoryName, TagName

# Marks what people fill in. No real name or password looks so, and applying it as it is only fails to pull.
USERNAME_PLACEHOLDER: Final = "REPLACE-WITH-USER-NAME"
PASSWORD_PLACEHOLDER: Final = "REPLACE-WITH-PASSWORD"
# What a Kubernetes label or container name holds. Source: RFC 1123, and Kubernetes' "Object Names and IDs".
LONGEST_LABEL: Final = 63
_NOT_IN_LABELS: Final = re.compile(r"[^a-z0-9]+")

_SECRET: Final = """\
apiVersion: v1
kind: Secret
metadata:
  name: {secret}
type: kubernetes.io/dockerconfigjson
stringData:
  .dockerconfigjson: |
{login}
---
"""
_DEPLOYMENT: Final = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  labels:
    app.kubernetes.io/name: {name}
spec:
  replicas: 1
  selector:
    matchLabels:
      app.kubernetes.io/name: {name}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {name}
    spec:
{pull}      containers:
        - name: {name}
          image: {image}
"""
_PULL: Final = """\
      imagePullSecrets:
        - name: {secret}
"""


@dataclass(frozen=True, slots=True)
class PullLogin:
    """What a pull secret holds. secret: its name in Kubernetes."""

    secret: str
    username: str
    password: str = PASSWORD_PLACEHOLDER

    @property
    def whole(self) -> bool:
        return self.password != PASSWORD_PLACEHOLDER and self.username != USERNAME_PLACEHOLDER


def manifests(
    address: str, repository: RepositoryName, reference: TagName | Digest, login: PullLogin | None = None
) -> str:
    """YAML: a pull secret and a Deployment that uses it; without a login, for what everybody may pull, no secret.

    address   of the instance, as clients write it before a repository's name
    """
    joint = "@" if isinstance(reference, Digest) else ":"
    deployment = _DEPLOYMENT.format(
        name=json.dumps(label(repository.short)),
        image=json.dumps(f"{address}/{repository}{joint}{reference}"),
        pull=_PULL.format(secret=json.dumps(login.secret)) if login else "",
    )
    if login is None:
        return f"# Everybody may pull it: kubectl apply -f <this file>\n{deployment}"
    auths = {address: {"username": login.username, "password": login.password}}
    document = json.dumps({"auths": auths}, indent=2)
    indented = "\n".join(f"    {line}" for line in document.splitlines())
    told = (
        "# It holds a password: kubectl apply -f <this file>, and keep it from others"
        if login.whole
        else "# Fill in a registry login where it says REPLACE below, then: kubectl apply -f <this file>"
    )
    return f"{told}\n{_SECRET.format(secret=json.dumps(login.secret), login=indented)}{deployment}"


def secret_of(address: str) -> str:
    """The name of a pull secret for all of an instance."""
    return label(address.partition(".")[0], "-pull")


def label(text: str, ending: str = "", longest: int = LONGEST_LABEL) -> str:
    """The nearest name that Kubernetes takes."""
    plain = _NOT_IN_LABELS.sub("-", text)[: longest - len(ending)].strip("-")
    return plain + ending
