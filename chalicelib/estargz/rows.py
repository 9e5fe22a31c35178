"""Entries as the table of contents tells them, in JSON: keys in one order, nothing that is zero, no spaces.

The time is told even where it is 1970: what reads the table would take the year 1 otherwise.
"""

from __future__ import annotations

import base64
import hashlib
import time
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Final

from .archive import Item
from .models import LANDMARK

_OF_NOTHING: Final = hashlib.sha256().hexdigest()


class FileRow:
    """A file's line, which grows by a chunk at a time.

    head, tail  what the line says before and after the offset
    """

    __slots__ = ("_head", "_lines", "_name", "_size", "_tail")

    def __init__(self, item: Item) -> None:
        self._name = encode_basestring(item.path)
        self._size = item.size
        self._head = _head(item, self._name)
        self._tail = _xattrs(item)
        self._lines: list[str] = []

    @classmethod
    def landmark(cls, name: str) -> FileRow:
        file = cls.__new__(cls)
        file._name, file._size, file._tail, file._lines = encode_basestring(name), len(LANDMARK), "", []
        file._head = f'{{"name":{file._name},"type":"reg","size":{file._size},"modtime":"{_moment(0)}","mode":420'
        return file

    def add(self, offset: int, at: int, size: int, digest: str) -> bool:
        """Whether that was the last one."""
        last = at + size == self._size
        chunk_size = "" if last else f',"chunkSize":{size}'
        if at == 0:
            self._lines.append(f'{self._head},"offset":{offset}{self._tail}')
            self._lines.append(f'{chunk_size},"chunkDigest":"sha256:{digest}"}}')
        else:
            self._lines.append(
                f',{{"name":{self._name},"type":"chunk","offset":{offset},"chunkOffset":{at}{chunk_size}'
                f',"chunkDigest":"sha256:{digest}"}}'
            )
        return last

    def finish(self, digest: str) -> str:
        self._lines.insert(1, f',"digest":"sha256:{digest}"')
        return "".join(self._lines)


def row(item: Item) -> str:
    """Of anything without content."""
    text = _head(item, encode_basestring(item.path or "./"))
    if item.major:
        text += f',"devMajor":{item.major}'
    if item.minor:
        text += f',"devMinor":{item.minor}'
    text += _xattrs(item)
    return text + (f',"digest":"sha256:{_OF_NOTHING}"}}' if item.kind == "reg" else "}")


def _head(item: Item, name: str) -> str:
    text = f'{{"name":{name},"type":"{item.kind}"'
    if item.size and item.kind == "reg":
        text += f',"size":{item.size}'
    text += f',"modtime":"{_moment(item.modified)}"'
    if item.target:
        text += f',"linkName":{encode_basestring(item.target)}'
    if item.mode:
        text += f',"mode":{item.mode}'
    if item.uid:
        text += f',"uid":{item.uid}'
    if item.gid:
        text += f',"gid":{item.gid}'
    if item.uname:
        text += f',"userName":{encode_basestring(item.uname)}'
    if item.gname:
        text += f',"groupName":{encode_basestring(item.gname)}'
    return text


def _xattrs(item: Item) -> str:
    if not item.xattrs:
        return ""
    pairs = (f'{encode_basestring(key)}:"{base64.b64encode(value).decode()}"' for key, value in item.xattrs)
    return f',"xattrs":{{{",".join(pairs)}}}'


@lru_cache(maxsize=1024)
def _moment(seconds: int) -> str:
    year, month, day, hour, minute, second, *_ = time.gmtime(seconds)
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}Z"
