"""The service's configuration, read once from the environment. Every variable is listed here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from .modelling import KEPT


class Settings(BaseModel):
    """Fields are environment variables in lower case without `CRS_`: `CRS_PORT=5000` sets `port`.

    stack               `embedded`: SQLite and files under `data`. `aws`: DynamoDB, S3 and SQS
    serve_api           whether this process answers the management API; without it it loads less
    serve_console       the same of the console, of a gateway's process
    domain              what instance host names end in: `<name>-<8 characters of its id>.<domain>`
    admin_password      of the first start; generated and stored readable by the owner alone when absent
    internal_port       opens the internal listener, which allowlists do not restrict
    told_port           the port in addresses that people are told, where a load balancer stands before; else `port`
    told_internal_port  the same of the internal listener; 0: nobody is told of one
    instance_ports      `<instance id>=<port>,…`: an instance reached at a port of its own
    trusted_proxies     addresses or networks whose `X-Forwarded-For` is believed, by commas
    trusted_hops        how many entries from its right are our own proxies'
    idle_timeout_s      how long whoever stands before the service keeps a connection on which nothing happens
    drain_s             for so long after SIGTERM requests are taken on, while /readyz says 503
    end_within_s        requests under way get so long once no new ones are taken
    gateway_processes   of the gateway on AWS; one a processor without it
    access_log          a line for each request and each message; without it on AWS, and not on one machine
    grace_s             how long deleted content can be restored
    upload_ttl_s        how long an upload waits for its next bytes, and a blob for a manifest that names it
    redirect_ttl_s      lets pulls of allowlisted instances leave as links that live this long; 0: stream instead
    allow_private_addresses   calls to addresses that users write down may go into private networks, and over plain HTTP
    cache_upstreams     hosts that namespaces may pull through: `host[:port]` and `*.domain` by commas; "": any
    instance_requests_per_s   requests of /v2 that one instance may make in a second; 0: as many as it likes
    vulndb              folder with `trivy.db` and `metadata.json`, taken over whenever they are newer
    vulndb_source       reference under which a registry has the vulnerability database; "": nothing is downloaded
    vulndb_login        `<user name>:<password>` at that registry
    scanner             which engine scans images; `trivy` is the program of that name, which then has to be there
    trivy               where it is: a path, or a name on the search path
    table, bucket, …    names of what the `aws` stack uses
    price_…             a month of an enterprise instance, of 5 further namespaces, of 1000 further repositories
    keys_secret         name of the secret in AWS Secrets Manager that holds what is not given here of the following two
    keys                what that secret holds, where the platform hands it over and nobody has to ask for it
    signing_key         PEM of the P-256 keys of tokens: the first signs, all verify. Made under `data` on one machine;
                        elsewhere it follows from `secret_key`
    secret_key          32 random bytes or more, as text, for keyed hashes. Made under `data` on one machine
    """

    model_config = KEPT

    stack: Literal["embedded", "aws"] = "embedded"
    data: Path = Path("data")
    serve_api: bool = True
    serve_console: bool = True
    host: str = "127.0.0.1"
    port: int = Field(default=5000, ge=0, le=65535)
    internal_port: int | None = Field(default=None, ge=0, le=65535)
    told_port: int | None = Field(default=None, ge=1, le=65535)
    told_internal_port: int | None = Field(default=None, ge=0, le=65535)
    instance_ports: str = ""
    domain: str = "localhost"
    region: str = "local"
    admin_password: str | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: str = ""
    trusted_hops: int = Field(default=0, ge=0, le=8)
    idle_timeout_s: int = Field(default=60, ge=1, le=4000)
    drain_s: int = Field(default=0, ge=0, le=3600)
    end_within_s: int = Field(default=10, ge=1, le=3600)
    gateway_processes: int | None = Field(default=None, ge=1, le=64)
    access_log: bool | None = None
    grace_s: int = Field(default=int(timedelta(days=7).total_seconds()), ge=0)
    upload_ttl_s: int = Field(default=int(timedelta(days=1).total_seconds()), ge=60)
    intent_ttl_s: int = Field(default=int(timedelta(minutes=30).total_seconds()), ge=1)
    tombstone_s: int = Field(default=int(timedelta(days=1).total_seconds()), ge=0)
    sweep_interval_s: float = Field(default=10.0, gt=0)
    redirect_ttl_s: int = Field(default=0, ge=0, le=60)
    allow_private_addresses: bool = False
    cache_upstreams: str = ""
    instance_requests_per_s: int = Field(default=0, ge=0)
    vulndb: Path | None = None
    vulndb_source: str = ""
    vulndb_login: str | None = Field(default=None, repr=False)
    scanner: Literal["builtin", "trivy"] = "builtin"
    trivy: str = "trivy"
    table: str = "crs"
    audit_table: str = "crs-audit"
    bucket: str = "crs"
    queue_prefix: str = "crs-"
    price_instance: Decimal = Field(default=Decimal(780), ge=0, le=1_000_000, decimal_places=2)
    price_namespace_pack: Decimal = Field(default=Decimal(25), ge=0, le=1_000_000, decimal_places=2)
    price_repository_pack: Decimal = Field(default=Decimal(100), ge=0, le=1_000_000, decimal_places=2)
    keys_secret: str = ""
    keys: str = ""
    signing_key: str | None = None
    secret_key: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Raises pydantic's ValidationError naming the variable that does not fit."""
        prefix = "CRS_"
        values = {
            name[len(prefix) :].lower(): value
            for name, value in environment.items()
            if name.startswith(prefix) and value != ""
        }
        return cls.model_validate(values)

    @property
    def one_machine(self) -> bool:
        """One machine holds everything: secrets may be made beside the data, and any host name means somebody here."""
        return self.stack == "embedded"

    @property
    def logs_requests(self) -> bool:
        return not self.one_machine if self.access_log is None else self.access_log

    @property
    def tls(self) -> bool:
        return self.tls_cert is not None

    @property
    def plain_http(self) -> bool:
        """Clients speak to the service without TLS: it has none itself, and no proxy stands before it."""
        return self.one_machine and not self.tls and not self.trusted_proxies
