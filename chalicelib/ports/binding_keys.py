"""Keys of environments and services, and of what they are bound to, beside `keys.py`.

  pk                     sk                                                what stands there
  ACCOUNT#<account>      ENVIRONMENT#<environment>                         its instance and namespace; how many services
  ACCOUNT#<account>      SERVICE#<environment>#<service>                   the repository it is bound to, for ever
  ACCOUNT#<account>      VERSION#<environment>#<service>#<version>         a tag, and the digest it had
  INSTANCE#<instance>    BINDINGS                                          the one namespace of default repositories
  REPO#<id>              BOUND#SERVICE#<environment>#<service>             a service is bound to the repository
  REPO#<id>              BOUND#TAG#<tag>#<environment>#<service>#<version> a version names the tag
  REPO#<id>              BOUND#GOING#<tag>                                 the tag is being deleted: no version comes

No name holds `#`. What hangs on a repository's id goes and comes back with it. A page of tags reads the BOUND#TAG rows
between its first tag and its last in one query.
"""

from __future__ import annotations

from .table import Key


def environment(account: str, name: str) -> Key:
    return Key(f"ACCOUNT#{account}", f"ENVIRONMENT#{name}")


def service(account: str, environment: str, name: str) -> Key:
    return Key(f"ACCOUNT#{account}", f"SERVICE#{environment}#{name}")


def version(account: str, environment: str, service: str, name: str) -> Key:
    return Key(f"ACCOUNT#{account}", f"VERSION#{environment}#{service}#{name}")


def home(instance: str) -> Key:
    return Key(f"INSTANCE#{instance}", "BINDINGS")


def bound_service(repository: str, environment: str, service: str) -> Key:
    return Key(f"REPO#{repository}", f"BOUND#SERVICE#{environment}#{service}")


def bound_services(repository: str) -> Key:
    """Where they begin."""
    return Key(f"REPO#{repository}", "BOUND#SERVICE#")


def use(repository: str, tag: str, environment: str, service: str, version: str) -> Key:
    return Key(f"REPO#{repository}", f"BOUND#TAG#{tag}#{environment}#{service}#{version}")


def uses(repository: str, tag: str) -> Key:
    """Where those of one tag begin."""
    return Key(f"REPO#{repository}", f"BOUND#TAG#{tag}#")


def going(repository: str, tag: str) -> Key:
    return Key(f"REPO#{repository}", f"BOUND#GOING#{tag}")
