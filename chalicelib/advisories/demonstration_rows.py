"""Well-known advisories for the demonstration database, from public announcements. Few, and not kept up to date.

Columns are divided by |. A fixed version of `-` is none yet; several ranges are divided by `;`.
"""

from __future__ import annotations

from typing import Final

# platform | package (source) | vulnerability | fixed in | the platform's own severity or status | vendor's advisory
SYSTEMS: Final = """
debian 7 | openssl | CVE-2014-0160 | 1.0.1e-2+deb7u5 | | DSA-2896-1
debian 7 | bash | CVE-2014-6271 | 4.2+dfsg-0.1+deb7u1 | | DSA-3032-1
debian 11 | openssl | CVE-2022-0778 | 1.1.1k-1+deb11u2 | | DSA-5103-1
debian 11 | openssl | CVE-2022-1292 | 1.1.1n-0+deb11u2 | | DSA-5139-1
debian 11 | xz-utils | CVE-2022-1271 | 5.2.5-2.1~deb11u1 | | DSA-5123-1
debian 11 | gzip | CVE-2022-1271 | 1.10-4+deb11u1 | | DSA-5122-1
debian 11 | zlib | CVE-2018-25032 | 1:1.2.11.dfsg-2+deb11u1 | | DSA-5111-1
debian 11 | zlib | CVE-2022-37434 | 1:1.2.11.dfsg-2+deb11u2 | | DSA-5218-1
debian 11 | dpkg | CVE-2022-1664 | 1.20.10 | | DSA-5147-1
debian 11 | expat | CVE-2022-40674 | 2.2.10-2+deb11u4 | | DSA-5236-1
debian 11 | apt | CVE-2011-3374 | - | low |
debian 11 | coreutils | CVE-2016-2781 | - | will_not_fix |
debian 11 | glibc | CVE-2010-4756 | - | low |
debian 11 | glibc | CVE-2019-1010022 | - | low |
debian 11 | perl | CVE-2011-4116 | - | low |
debian 11 | tar | CVE-2005-2541 | - | low |
debian 11 | util-linux | CVE-2022-0563 | - | low |
debian 12 | glibc | CVE-2023-4911 | 2.36-9+deb12u3 | | DSA-5514-1
debian 12 | glibc | CVE-2023-6246 | 2.36-9+deb12u4 | | DSA-5611-1
debian 12 | glibc | CVE-2024-2961 | 2.36-9+deb12u6 | | DSA-5673-1
debian 12 | glibc | CVE-2010-4756 | - | low |
debian 12 | glibc | CVE-2019-1010022 | - | low |
debian 12 | openssl | CVE-2023-5363 | 3.0.11-1~deb12u2 | | DSA-5532-1
debian 12 | openssl | CVE-2024-6119 | 3.0.14-1~deb12u2 | | DSA-5764-1
debian 12 | openssl | CVE-2025-9230 | 3.0.17-1~deb12u3 | | DSA-6015-1
debian 12 | openssh | CVE-2023-48795 | 1:9.2p1-2+deb12u2 | | DSA-5586-1
debian 12 | openssh | CVE-2024-6387 | 1:9.2p1-2+deb12u3 | | DSA-5724-1
debian 12 | curl | CVE-2023-38545 | 7.88.1-10+deb12u4 | | DSA-5523-1
debian 12 | nghttp2 | CVE-2023-44487 | 1.52.0-1+deb12u1 | | DSA-5570-1
debian 12 | libwebp | CVE-2023-4863 | 1.2.4-0.2+deb12u1 | | DSA-5497-1
debian 12 | zlib | CVE-2023-45853 | - | will_not_fix |
debian 12 | apt | CVE-2011-3374 | - | low |
debian 12 | coreutils | CVE-2016-2781 | - | will_not_fix |
debian 12 | perl | CVE-2011-4116 | - | low |
debian 12 | tar | CVE-2005-2541 | - | low |
debian 12 | util-linux | CVE-2022-0563 | - | low |
debian 13 | openssl | CVE-2025-9230 | 3.5.1-1+deb13u1 | | DSA-6015-1
debian 13 | glibc | CVE-2010-4756 | - | low |
debian 13 | glibc | CVE-2019-1010022 | - | low |
debian 13 | apt | CVE-2011-3374 | - | low |
debian 13 | perl | CVE-2011-4116 | - | low |
debian 13 | tar | CVE-2005-2541 | - | low |
debian 13 | util-linux | CVE-2022-0563 | - | low |
ubuntu 20.04 | sudo | CVE-2021-3156 | 1.8.31-1ubuntu1.2 | |
ubuntu 20.04 | policykit-1 | CVE-2021-4034 | 0.105-26ubuntu1.2 | |
ubuntu 20.04 | glibc | CVE-2024-2961 | 2.31-0ubuntu9.15 | |
ubuntu 20.04 | coreutils | CVE-2016-2781 | - | |
ubuntu 22.04 | glibc | CVE-2023-4911 | 2.35-0ubuntu3.4 | |
ubuntu 22.04 | glibc | CVE-2024-2961 | 2.35-0ubuntu3.7 | |
ubuntu 22.04 | openssl | CVE-2022-3602 | 3.0.2-0ubuntu1.7 | |
ubuntu 22.04 | openssh | CVE-2024-6387 | 1:8.9p1-3ubuntu0.10 | |
ubuntu 22.04 | curl | CVE-2023-38545 | 7.81.0-1ubuntu1.14 | |
ubuntu 22.04 | zlib | CVE-2022-37434 | 1:1.2.11.dfsg-2ubuntu9.2 | |
ubuntu 22.04 | bash | CVE-2022-3715 | 5.1-6ubuntu1.1 | |
ubuntu 22.04 | coreutils | CVE-2016-2781 | - | |
ubuntu 22.04 | gnupg2 | CVE-2022-3219 | - | |
ubuntu 24.04 | openssh | CVE-2024-6387 | 1:9.6p1-3ubuntu13.3 | |
ubuntu 24.04 | openssl | CVE-2024-6119 | 3.0.13-0ubuntu3.4 | |
ubuntu 24.04 | xz-utils | CVE-2025-31115 | 5.6.1+really5.4.5-1ubuntu0.2 | |
ubuntu 24.04 | coreutils | CVE-2016-2781 | - | |
ubuntu 24.04 | gnupg2 | CVE-2022-3219 | - | |
alpine 3.14 | apk-tools | CVE-2021-36159 | 2.12.6-r0 | |
alpine 3.16 | zlib | CVE-2022-37434 | 1.2.12-r2 | |
alpine 3.18 | openssl | CVE-2023-5363 | 3.1.4-r0 | |
alpine 3.18 | busybox | CVE-2022-48174 | 1.36.1-r2 | |
alpine 3.18 | curl | CVE-2023-38545 | 8.4.0-r0 | |
alpine 3.18 | musl | CVE-2025-26519 | 1.2.4-r3 | |
alpine 3.19 | openssl | CVE-2024-6119 | 3.1.7-r0 | |
alpine 3.19 | busybox | CVE-2023-42363 | 1.36.1-r17 | |
alpine 3.19 | musl | CVE-2025-26519 | 1.2.4_git20230717-r5 | |
alpine 3.20 | openssl | CVE-2024-6119 | 3.3.2-r0 | |
alpine 3.20 | openssl | CVE-2025-9230 | 3.3.5-r0 | |
alpine 3.20 | busybox | CVE-2023-42363 | 1.36.1-r27 | |
alpine 3.20 | musl | CVE-2025-26519 | 1.2.5-r1 | |
alpine 3.21 | openssl | CVE-2025-9230 | 3.3.5-r0 | |
alpine 3.21 | musl | CVE-2025-26519 | 1.2.5-r9 | |
alpine 3.22 | openssl | CVE-2025-9230 | 3.5.4-r0 | |
alpine edge | xz | CVE-2024-3094 | 5.6.1-r2 | |
"""

# ecosystem | package | vulnerability | vulnerable ranges | patched versions
LANGUAGES: Final = """
maven | org.apache.logging.log4j:log4j-core | CVE-2021-44228 | >=2.0-beta9, <2.3.1; >=2.4, <2.12.2; >=2.13.0, \
<2.15.0 | 2.3.1; 2.12.2; 2.15.0
maven | org.apache.logging.log4j:log4j-core | CVE-2021-45105 | >=2.4, <2.12.3; >=2.13.0, <2.17.0 | 2.12.3; 2.17.0
maven | org.springframework:spring-beans | CVE-2022-22965 | <5.2.20.RELEASE; >=5.3.0, <5.3.18 | 5.2.20.RELEASE; 5.3.18
maven | org.apache.commons:commons-text | CVE-2022-42889 | >=1.5, <1.10.0 | 1.10.0
maven | org.yaml:snakeyaml | CVE-2022-1471 | <2.0 | 2.0
pip | requests | CVE-2023-32681 | >=2.3.0, <2.31.0 | 2.31.0
pip | urllib3 | CVE-2023-43804 | <1.26.17; >=2.0.0, <2.0.6 | 1.26.17; 2.0.6
pip | jinja2 | CVE-2024-22195 | <3.1.3 | 3.1.3
pip | pillow | CVE-2023-4863 | <10.0.1 | 10.0.1
pip | setuptools | CVE-2022-40897 | <65.5.1 | 65.5.1
pip | setuptools | CVE-2024-6345 | <70.0 | 70.0
pip | pyyaml | CVE-2020-14343 | <5.4 | 5.4
pip | certifi | CVE-2023-37920 | >=2015.04.28, <2023.07.22 | 2023.07.22
pip | pip | CVE-2023-5752 | <23.3 | 23.3
npm | lodash | CVE-2021-23337 | <4.17.21 | 4.17.21
npm | minimist | CVE-2021-44906 | <0.2.4; >=1.0.0, <1.2.6 | 0.2.4; 1.2.6
npm | node-fetch | CVE-2022-0235 | <2.6.7; >=3.0.0, <3.1.1 | 2.6.7; 3.1.1
npm | semver | CVE-2022-25883 | <5.7.2; >=6.0.0, <6.3.1; >=7.0.0, <7.5.2 | 5.7.2; 6.3.1; 7.5.2
npm | cross-spawn | CVE-2024-21538 | <6.0.6; >=7.0.0, <7.0.5 | 6.0.6; 7.0.5
go | golang.org/x/net | CVE-2023-44487 | <0.17.0 | 0.17.0
go | golang.org/x/crypto | CVE-2023-48795 | <0.17.0 | 0.17.0
go | golang.org/x/crypto | CVE-2024-45337 | <0.31.0 | 0.31.0
go | google.golang.org/protobuf | CVE-2024-24786 | <1.33.0 | 1.33.0
rubygems | nokogiri | CVE-2022-24836 | <1.13.4 | 1.13.4
rubygems | activesupport | CVE-2020-8165 | <5.2.4.3; >=6.0.0, <6.0.3.1 | 5.2.4.3; 6.0.3.1
composer | guzzlehttp/psr7 | CVE-2022-24775 | <1.8.4; >=2.0.0, <2.1.1 | 1.8.4; 2.1.1
nuget | newtonsoft.json | CVE-2024-21907 | <13.0.1 | 13.0.1
"""

# vulnerability | vector of CVSS 3.1, as commonly rated | weakness | title
VULNERABILITIES: Final = """
CVE-2005-2541 | | | tar: does not properly warn the user when extracting setuid or setgid files
CVE-2010-4756 | | | glibc: glob implementation can cause excessive CPU and memory consumption due to crafted \
expressions
CVE-2011-3374 | AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:L/A:N | 347 | apt-key does not correctly validate gpg keys with the \
master keyring
CVE-2011-4116 | AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:H/A:N | 59 | perl: File::Temp insecure temporary file handling
CVE-2014-0160 | AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N | 125 | openssl: information disclosure in handling of TLS \
heartbeat extension packets (Heartbleed)
CVE-2014-6271 | AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H | 78 | bash: specially-crafted environment variables can be used \
to inject shell commands (Shellshock)
CVE-2016-2781 | AV:L/AC:L/PR:L/UI:N/S:C/C:N/I:H/A:N | 20 | coreutils: non-privileged session can escape to the \
parent session in chroot
CVE-2018-25032 | AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H | 787 | zlib: out-of-bounds write when compressing certain inputs
CVE-2019-1010022 | AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H | 119 | glibc: stack guard protection bypass
CVE-2020-8165 | AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H | 502 | rails: deserialization of untrusted data in \
MemCacheStore and RedisCacheStore
CVE-2020-14343 | AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H | 20 | PyYAML: incomplete fix for CVE-2020-1747
CVE-2021-3156 | AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H | 193 | sudo: heap buffer overflow in argument parsing
CVE-2021-4034 | AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H | 787 | polkit: local privilege escalation in pkexec (PwnKit)
CVE-2021-23337 | AV:N/AC:L/PR:H/UI:N/S:U/C:H/I:H/A:H | 94 | lodash: command injection via template
CVE-2021-36159 | AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:H | 125 | libfetch: out of boundary read while using numeric \
strings in HTTP, FTP and HTTPS responses
CVE-2021-44228 | AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H | 502 | log4j-core: remote code execution in Log4j 2.x when \
logs contain an attacker-controlled string value (Log4Shell)
CVE-2021-44906 | AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H | 1321 | minimist: prototype pollution
CVE-2021-45105 | AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:N/A:H | 674 | log4j-core: denial of service in Log4j 2.x with thread \
context map (MDC) input data
CVE-2022-0235 | AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N | 601 | node-fetch: exposure of sensitive information to an \
unauthorized actor
CVE-2022-0563 | AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:N/A:N | 209 | util-linux: partial disclosure of arbitrary files in \
chfn and chsh when compiled with libreadline
CVE-2022-0778 | AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H | 835 | openssl: infinite loop in BN_mod_sqrt() reachable when \
parsing certificates
CVE-2022-1271 | AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H | 20 | gzip, xz: arbitrary file write through zgrep and xzgrep
CVE-2022-1292 | AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H | 78 | openssl: c_rehash script allows command injection
CVE-2022-1471 | AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H | 502 | SnakeYaml: Constructor deserialization remote code \
execution
CVE-2022-1664 | AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H | 22 | dpkg: Dpkg::Source::Archive directory traversal
CVE-2022-3219 | AV:L/AC:L/PR:L/UI:N/S:U/C:N/I:N/A:L | 787 | gnupg: denial of service using compressed packets
CVE-2022-3602 | AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H | 787 | openssl: X.509 email address buffer overflow
CVE-2022-3715 | AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H | 787 | bash: heap buffer overflow in valid_parameter_transform
CVE-2022-22965 | AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H | 94 | spring-framework: remote code execution via data binding \
on JDK 9+ (Spring4Shell)
CVE-2022-24775 | AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:H/A:N | 20 | guzzlehttp/psr7: improper header validation
CVE-2022-24836 | AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H | 1333 | nokogiri: denial of service in HTML encoding detection
CVE-2022-25883 | AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H | 1333 | semver: regular expression denial of service
CVE-2022-37434 | AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H | 787 | zlib: heap buffer over-read in inflate() via a large \
gzip header extra field
CVE-2022-40674 | AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:H/A:H | 416 | expat: use after free in doContent
CVE-2022-40897 | AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:N/A:H | 1333 | setuptools: regular expression denial of service in \
package_index.py
CVE-2022-42889 | AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H | 94 | commons-text: variable interpolation remote code \
execution (Text4Shell)
CVE-2022-48174 | AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H | 787 | busybox: stack overflow in ash.c leads to arbitrary \
code execution
CVE-2023-4863 | AV:N/AC:L/PR:N/UI:R/S:U/C:H/I:H/A:H | 787 | libwebp: heap buffer overflow in WebP codec
CVE-2023-4911 | AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H | 787 | glibc: buffer overflow in ld.so leading to privilege \
escalation (Looney Tunables)
CVE-2023-5363 | AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N | 684 | openssl: incorrect cipher key and IV length processing
CVE-2023-5752 | AV:L/AC:L/PR:L/UI:N/S:U/C:N/I:L/A:N | 77 | pip: Mercurial configuration injectable in repo revision
CVE-2023-6246 | AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H | 787 | glibc: heap-based buffer overflow in __vsyslog_internal()
CVE-2023-32681 | AV:N/AC:H/PR:N/UI:R/S:C/C:H/I:N/A:N | 200 | python-requests: unintended leak of Proxy-Authorization \
header
CVE-2023-37920 | AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H | 345 | python-certifi: removal of e-Tugra root certificate
CVE-2023-38545 | AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H | 787 | curl: heap based buffer overflow in the SOCKS5 proxy \
handshake
CVE-2023-42363 | AV:L/AC:L/PR:N/UI:R/S:U/C:N/I:N/A:H | 416 | busybox: use-after-free in awk
CVE-2023-43804 | AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:N | 200 | python-urllib3: Cookie request header is not stripped \
during cross-origin redirects
CVE-2023-44487 | AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H | 400 | HTTP/2: multiple streams that are reset at once cause a \
denial of service (Rapid Reset)
CVE-2023-45853 | AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H | 190 | zlib: integer overflow and resultant heap-based buffer \
overflow in zipOpenNewFileInZip4_6
CVE-2023-48795 | AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:H/A:N | 354 | ssh: prefix truncation attack on the Binary Packet \
Protocol (Terrapin)
CVE-2024-2961 | AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H | 787 | glibc: out of bounds write in iconv may lead to remote \
code execution
CVE-2024-3094 | AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H | 506 | xz: malicious code in distributed source
CVE-2024-6119 | AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H | 843 | openssl: possible denial of service in X.509 name checks
CVE-2024-6345 | AV:N/AC:L/PR:N/UI:R/S:U/C:H/I:H/A:H | 94 | setuptools: remote code execution via download functions \
in package_index
CVE-2024-6387 | AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:H/A:H | 362 | openssh: possible remote code execution due to a race \
condition in signal handling (regreSSHion)
CVE-2024-21538 | AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H | 1333 | cross-spawn: regular expression denial of service
CVE-2024-21907 | AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H | 755 | Newtonsoft.Json: improper handling of exceptional \
conditions
CVE-2024-22195 | AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N | 79 | jinja2: HTML attribute injection when passing user input \
as keys to the xmlattr filter
CVE-2024-24786 | AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H | 835 | golang-protobuf: infinite loop in protojson.Unmarshal
CVE-2024-45337 | AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:N | 863 | golang.org/x/crypto/ssh: misuse of \
ServerConfig.PublicKeyCallback may cause authorization bypass
CVE-2025-9230 | AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H | 125 | openssl: out-of-bounds read and write in RFC 3211 KEK \
unwrap
CVE-2025-26519 | AV:L/AC:H/PR:N/UI:N/S:C/C:H/I:H/A:H | 787 | musl: out-of-bounds write when an attacker can trigger \
iconv conversion of untrusted EUC-KR text to UTF-8
CVE-2025-31115 | AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H | 416 | xz: use-after-free in the threaded .xz decoder
"""
