"""How each manager orders its versions, and what ranges of them mean. Own code where a library would weigh more than it
saves.

    dpkg, rpm, apk   `key(version)` sorts as the manager does; `compare(one, other)` → −1, 0 or 1. Both take any text,
                     and never fail: what a manager would refuse gets a place all the same (`valid` of dpkg and apk)
    semver, npm, gem, maven, pep440   `holds(version, ranges)` and `compare`; raise `ranges.Unreadable`

Findings are to be the same as Trivy's, so ranges are read as Trivy 0.74 reads them, and what it refuses is refused.
Where it reads something other than what is written, the text counts:

    maven    `[1.2.3]` is that version; Trivy drops its last character. `(,1.0)` has no lower end; Trivy has one, below
             which versions like `r03` lie
    pep440   `alpha`, `beta` and `preview` are read to their end: `< 1.0-beta.2`; Trivy stops after their first letter.
             `2.0rc1+cu118` lies in `< 2.0` as `2.0rc1` does. `1.0rc.0` begins with `1.0.*`; `~= 1.4.5a4` is PEP 440's
"""
