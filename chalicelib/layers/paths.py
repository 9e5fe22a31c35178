"""Names of an archive as paths below the root."""

from __future__ import annotations


def below_root(name: bytes) -> str:
    """Without `./` and `/` before it, `.`, `..` and doubled `/` in it; "" for what lies outside, or is the root.

    Bytes that are no UTF-8 become `\\ufffd`: what is told of a path has to be text.
    """
    try:
        text = name.decode()
    except UnicodeDecodeError:
        text = name.decode(errors="replace")
    if text.startswith("./"):
        text = text[2:]
    text = text.strip("/")
    if text.startswith(".") or "/." in text or "//" in text:
        return _resolved(text)
    return text


def _resolved(text: str) -> str:
    parts: list[str] = []
    for part in text.split("/"):
        if part == "..":
            if not parts:
                return ""
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
