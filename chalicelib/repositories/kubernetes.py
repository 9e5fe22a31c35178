"""What Kubernetes needs to run a repository's images: a pull secret and a Deployment, as YAML (K1).

Names come from users, so every one of them is written as a JSON string, which YAML reads as just that text: `null`,
`123` and `yes` are names here. Source: YAML 1.2.2, section 1.3 (JSON is a subset).
"""

from __future__ import annotations

import json
import re
from typing import Final

from chalicelib.kernel.names import RepositoryName, TagName

# Marks what people fill in. No real name or password looks so, and applying it as it is only fails to pull.
USERNAME_PLACEHOLDER: Final = "REPLACE-WITH-USER-NAME"
PASSWORD_PLACEHOLDER: Final = "REPLACE-WITH-PASSWORD"
# What a Kubernetes label or container name holds. Source: RFC 1123, and Kubernetes' "Object Names and IDs".
_LONGEST_LABEL: Final = 63
_NOT_IN_LABELS: Final = re.compile(r"[^a-z0-9]+")

_TEMPLATE: Final = """\
# Fill in a registry login where it says REPLACE below, then: kubectl apply -f <this file>
apiVersion: v1
kind: Secret
metadata:
  name: {secret}
type: kubernetes.io/dockerconfigjson
stringData:
  .dockerconfigjson: |
{login}
---
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
      imagePullSecrets:
        - name: {secret}
      containers:
        - name: {name}
          image: {image}
"""


def manifests(address: str, repository: RepositoryName, tag: TagName, username: str = USERNAME_PLACEHOLDER) -> str:
    """YAML of two documents. address: of the instance, as clients write it before a repository's name."""
    auths = {address: {"username": username, "password": PASSWORD_PLACEHOLDER}}
    login = json.dumps({"auths": auths}, indent=2)
    return _TEMPLATE.format(
        secret=json.dumps(_label(address.partition(".")[0], "-pull")),
        login="\n".join(f"    {line}" for line in login.splitlines()),
        name=json.dumps(_label(repository.short)),
        image=json.dumps(f"{address}/{repository}:{tag}"),
    )


def _label(text: str, ending: str = "") -> str:
    """The nearest name that Kubernetes takes."""
    plain = _NOT_IN_LABELS.sub("-", text)[: _LONGEST_LABEL - len(ending)].strip("-")
    return plain + ending
