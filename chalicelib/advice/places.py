"""Where tools keep what an image need not hold: paths, and what to write instead. Pure data.

Each pattern is of a path below the root. Sources: the tools' own manuals on their caches, and the Filesystem Hierarchy.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_HOME: Final = r"(?:root|home/[^/]+)"


class Place(NamedTuple):
    """key: a word; what: for people; paths: all that belongs to it; marker: one of these has to be there, "" for any"""

    key: str
    what: str
    paths: str
    instead: str
    marker: str = ""


_MOUNT: Final = "RUN --mount=type=cache,target={target} {command}"


def _mounted(target: str, command: str) -> str:
    return _MOUNT.format(target=target, command=command)


CACHES: Final = (
    Place(
        "apt",
        "package lists and archives of apt",
        r"var/lib/apt/lists/(?!lock$)|var/cache/apt/(?:archives/[^/]+\.deb$|archives/partial/|[^/]+\.bin$)",
        "RUN apt-get update && apt-get install -y --no-install-recommends … && rm -rf /var/lib/apt/lists/*",
    ),
    Place("apk", "the cache of apk", r"var/cache/apk/|etc/apk/cache/", "RUN apk add --no-cache …"),
    Place(
        "dnf",
        "the cache of dnf and yum",
        r"var/cache/(?:yum|dnf|libdnf5|tdnf|PackageKit)/",
        "RUN dnf install -y … && dnf clean all && rm -rf /var/cache/dnf /var/cache/yum",
    ),
    Place("zypper", "the cache of zypper", r"var/cache/zypp/", "RUN zypper install -y … && zypper clean --all"),
    Place(
        "pip",
        "the cache of pip, Poetry and Pipenv",
        rf"{_HOME}/\.cache/(?:pip|pypoetry|pipenv)/",
        "RUN pip install --no-cache-dir …",
    ),
    Place("uv", "the cache of uv", rf"{_HOME}/\.cache/uv/", _mounted("/root/.cache/uv", "uv sync")),
    Place(
        "npm",
        "the cache of npm",
        rf"{_HOME}/\.npm/(?:_cacache|_logs|_npx)/",
        _mounted("/root/.npm", "npm ci --omit=dev"),
    ),
    Place(
        "yarn",
        "the cache of Yarn",
        rf"(?:{_HOME}/\.cache/yarn|usr/local/share/\.cache/yarn|{_HOME}/\.yarn/berry/cache)/",
        "RUN yarn install --production && yarn cache clean",
    ),
    Place(
        "go",
        "Go's build cache and modules",
        rf"{_HOME}/\.cache/go-build/|(?:go|{_HOME}/go)/pkg/mod/",
        "build in a stage of its own: FROM golang:… AS build … FROM scratch … COPY --from=build /app /app",
    ),
    Place(
        "maven",
        "Maven's local repository",
        rf"{_HOME}/\.m2/repository/",
        _mounted("/root/.m2", "mvn package") + ", in a stage of its own; COPY --from=build …/app.jar /app.jar",
    ),
    Place(
        "gradle",
        "Gradle's caches",
        rf"{_HOME}/\.gradle/caches/",
        _mounted("/root/.gradle", "gradle build") + ", in a stage of its own; COPY --from=build …/app.jar /app.jar",
    ),
    Place(
        "cargo",
        "Cargo's registry",
        rf"(?:usr/local/cargo|{_HOME}/\.cargo)/(?:registry|git)/",
        "build in a stage of its own: FROM rust:… AS build … COPY --from=build /app/target/release/app /app",
    ),
    Place(
        "composer",
        "the cache of Composer",
        rf"{_HOME}/(?:\.composer/cache|\.cache/composer)/",
        "RUN composer install --no-dev --no-cache",
    ),
    Place(
        "gem",
        "gems as they were downloaded",
        r"(?:usr/local/bundle|var/lib/gems/[^/]+|usr/(?:local/)?lib/ruby/gems/[^/]+)/cache/[^/]+\.gem$",
        "RUN bundle install && rm -rf /usr/local/bundle/cache",
    ),
    Place(
        "nuget",
        "the cache of NuGet",
        rf"{_HOME}/(?:\.nuget/packages|\.local/share/NuGet/[^/]*cache)/",
        "publish in a stage of its own: FROM mcr.microsoft.com/dotnet/sdk:… AS build … COPY --from=build /out /app",
    ),
    Place(
        "conda",
        "packages as conda downloaded them",
        r"opt/(?:conda|mini(?:conda|forge)3?|mambaforge)/pkgs/[^/]+\.(?:conda|tar\.bz2)$",
        "RUN conda install -y … && conda clean --all --yes",
    ),
)

BUILD_TOOLS: Final = (
    Place(
        "c",
        "a C compiler and its headers",
        r"usr/(?:local/)?lib(?:exec)?/gcc/|usr/(?:local/)?include/"
        r"|usr/bin/(?:[a-z0-9_]+-[a-z-]*linux-(?:gnu|musl)[a-z]*-)?(?:gcc|g\+\+|cpp|c\+\+|ld|as|gold|dwp)(?:[-.][\w.]+)?$",
        "FROM … AS build / RUN the build / FROM a slim image / COPY --from=build /usr/local /usr/local",
        r"usr/(?:local/)?lib(?:exec)?/gcc/.*/cc1(?:plus)?$",
    ),
    Place(
        "clang",
        "LLVM and clang",
        r"usr/lib/llvm-?[\d.]+/",
        "FROM … AS build / RUN the build / FROM a slim image / COPY --from=build /app /app",
        r"usr/lib/llvm-?[\d.]+/bin/clang",
    ),
    Place(
        "golang",
        "the Go toolchain",
        r"usr/(?:local|lib)/go[^/]*/",
        "FROM golang:… AS build / RUN go build -o /app / FROM scratch / COPY --from=build /app /app",
        r"usr/(?:local|lib)/go[^/]*/bin/go$",
    ),
    Place(
        "rust",
        "the Rust toolchain",
        rf"(?:usr/local|{_HOME})/\.?(?:cargo/bin|rustup)/",
        "FROM rust:… AS build / RUN cargo build --release / FROM a slim image / COPY --from=build …/app /app",
        r".*/bin/(?:cargo|rustc)$",
    ),
    Place(
        "jdk",
        "a Java development kit",
        r".*/(?:jmods/[^/]+\.jmod|lib/src\.zip|lib/ct\.sym|bin/(?:javac|jlink|jshell|jdb))$",
        "FROM eclipse-temurin:…-jdk AS build / RUN the build / FROM eclipse-temurin:…-jre / COPY --from=build …",
        r".*/bin/javac$",
    ),
    Place(
        "maven",
        "Maven or Gradle",
        r"(?:usr/share|opt)/(?:maven|gradle)[^/]*/",
        "FROM maven:… AS build / RUN mvn package / FROM eclipse-temurin:…-jre / COPY --from=build …/app.jar /app.jar",
    ),
    Place(
        "cmake",
        "CMake",
        r"usr/(?:local/)?(?:share/cmake-[\d.]+/|bin/(?:cmake|ctest|cpack)$)",
        "FROM … AS build / RUN the build / FROM a slim image / COPY --from=build /app /app",
        r"usr/(?:local/)?bin/cmake$",
    ),
    Place(
        "dotnet",
        "the .NET SDK",
        r"usr/(?:share|lib)/dotnet/sdk/",
        "FROM …/dotnet/sdk:… AS build / RUN dotnet publish -o /out / FROM …/dotnet/aspnet:… / COPY --from=build /out .",
    ),
)

UNNEEDED: Final = (
    Place("vim", "Vim", r"usr/bin/vim(?:\.\w+)?$|usr/share/vim/", "", r"usr/bin/vim"),
    Place("nano", "nano", r"(?:usr/)?bin/nano$|usr/share/nano/", "", r"(?:usr/)?bin/nano$"),
    Place("emacs", "Emacs", r"usr/(?:bin/emacs|share/emacs/|lib(?:exec)?/emacs/)", "", r"usr/bin/emacs"),
    Place("ssh", "an SSH server", r"usr/sbin/sshd$|usr/lib(?:exec)?/openssh/", "", r"usr/sbin/sshd$"),
    Place("man", "a reader of manual pages", r"usr/bin/man$|usr/lib(?:exec)?/man-db/", "", r"usr/bin/man$"),
    Place("gdb", "a debugger", r"usr/bin/gdb$|usr/share/gdb/", "", r"usr/bin/gdb$"),
    Place("trace", "tools that watch system calls or the network", r"usr/s?bin/(?:strace|ltrace|tcpdump|nmap)$", ""),
)
DOCUMENTATION: Final = re.compile(r"usr/(?:local/)?share/(?:doc|man|info|gtk-doc|help)/")

SERVICES: Final = {
    "nginx": r"usr/(?:local/)?(?:s?bin|nginx/sbin)/nginx",
    "Apache": r"usr/sbin/(?:apache2|httpd)|usr/local/apache2/bin/httpd",
    "MySQL": r"usr/s?bin/(?:mysqld|mariadbd)|usr/libexec/(?:mysqld|mariadbd)",
    "PostgreSQL": r"usr/(?:local/|lib/postgresql/[\d.]+/)?bin/postgres",
    "Redis": r"usr/(?:local/)?bin/(?:redis|valkey)-server",
    "MongoDB": r"usr/bin/mongod",
    "Memcached": r"usr/(?:local/)?bin/memcached",
    "RabbitMQ": r"(?:usr|opt/rabbitmq)/sbin/rabbitmq-server",
    "PHP-FPM": r"usr/(?:local/)?sbin/php-fpm[\d.]*",
    "HAProxy": r"usr/(?:local/)?sbin/haproxy",
    "an SSH server": r"usr/sbin/sshd",
    "cron": r"usr/sbin/(?:cron|crond)",
    "syslog": r"usr/sbin/(?:rsyslogd|syslog-ng)",
}
SUPERVISORS: Final = frozenset(
    ("supervisord", "s6-svscan", "runsvdir", "runit", "runit-init", "monit", "circusd", "systemd", "my_init")
)

# What package managers write over with every step: it is little, and cannot be had otherwise.
BOOKKEEPING: Final = re.compile(
    r"var/lib/(?:dpkg|rpm|apt)/|lib/apk/db/|usr/lib/sysimage/|var/log/|var/cache/(?:ldconfig|debconf|man)/"
    r"|etc/(?:ld\.so\.cache|passwd|group|shadow|gshadow|mtab)-?$|usr/share/(?:mime|info/dir)"
)

_SECRET_NAMES: Final = frozenset(
    (
        *(".env", ".env.local", ".env.prod", ".env.production", ".netrc", ".pypirc", ".git-credentials", ".npmrc"),
        *(".htpasswd", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"),
    )
)
_SECRET_ENDINGS: Final = (".aws/credentials", ".docker/config.json", ".kube/config")
# Others' packages bring examples by these names.
_OTHERS: Final = re.compile(r"(?:^|/)(?:node_modules|site-packages|dist-packages|vendor|gems|share|testdata|tests?)/")


def is_secret(path: str) -> bool:
    """Whether it is named like what should not be in an image: keys, passwords, tokens. Nobody reads it."""
    named = path.rpartition("/")[2] in _SECRET_NAMES or path.endswith(_SECRET_ENDINGS)
    return named and not _OTHERS.search(path)
