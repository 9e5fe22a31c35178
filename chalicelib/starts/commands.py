"""What a container runs first, by its image's config: words of a command line, and where programs are looked for."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from itertools import islice, pairwise
from typing import Any, Final, NamedTuple

# Docker's, for images that name none.
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SHELLS: Final = frozenset({"sh", "bash", "ash", "dash", "zsh"})
# A shell's own, which it looks for nowhere.
_OF_SHELLS: Final = frozenset({
    ".", ":", "[", "cd", "do", "done", "echo", "elif", "else", "eval", "exec", "exit", "export", "fi", "for", "if",
    "in", "printf", "return", "set", "shift", "source", "test", "then", "trap", "true", "umask", "unset", "until",
    "wait", "while", "{", "}",
})  # fmt: skip
_MOST_WORDS: Final = 64
_MOST_FOLDERS: Final = 64
_LONGEST: Final = 16 * 1024


class Command(NamedTuple):
    """
    words      of the command line, options left out but for paths in them; the first is the program
    folder     where it runs, and where paths begin that are relative
    programs   folders of programs, `PATH`
    libraries  folders of libraries, `LD_LIBRARY_PATH`
    """

    words: tuple[str, ...]
    folder: str
    programs: tuple[str, ...]
    libraries: tuple[str, ...]


def command_of(config: Mapping[str, Any]) -> Command:
    """config: an image's, as its blob has it. Whatever is none of what it should be counts as absent."""
    runs = config.get("config")
    runs = runs if isinstance(runs, Mapping) else {}
    line = [*_line(runs.get("Entrypoint")), *_line(runs.get("Cmd"))]
    variables = dict(_variables(runs.get("Env")))
    folder = runs.get("WorkingDir")
    return Command(
        tuple(_words(line))[:_MOST_WORDS],
        folder[:_LONGEST] if isinstance(folder, str) else "",
        _folders(variables.get("PATH") or _PATH),
        _folders(variables.get("LD_LIBRARY_PATH", "")),
    )


def interpreter_words(line: str) -> list[str]:
    """Of a script's first line: its interpreter, and the program that `env` is to look for."""
    program, _, argument = line.partition(" ")
    words = [program] if program else []
    if program.rpartition("/")[2] == "env":
        wanted = (word for word in argument.split()[:_MOST_WORDS] if not word.startswith("-") and "=" not in word)
        words += islice(wanted, 1)
    return words


def _line(value: object) -> list[str]:
    if isinstance(value, str):
        return ["/bin/sh", "-c", value[:_LONGEST]]
    if not isinstance(value, list):
        return []
    return [word[:_LONGEST] for word in value[:_MOST_WORDS] if isinstance(word, str)]


def _words(line: list[str]) -> Iterator[str]:
    """The program; of what is given to it, all that may be a file or a program."""
    shell = bool(line) and line[0].rpartition("/")[2] in _SHELLS
    yield from line[:1]
    for before, word in pairwise(line):
        if shell and before.startswith("-") and before.endswith("c"):
            yield from _of_shell(word)
        elif not word.startswith("-"):
            yield word
        elif "=" in word:
            yield word.partition("=")[2]


def _of_shell(script: str) -> Iterator[str]:
    lexer = shlex.shlex(script, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:
        # A quotation without an end.
        words = script.split()
    for word in words:
        if word not in _OF_SHELLS and not word.startswith("-"):
            yield word.partition("=")[2] if "=" in word else word


def _variables(value: object) -> Iterator[tuple[str, str]]:
    for each in value if isinstance(value, list) else ():
        if isinstance(each, str) and "=" in each:
            name, _, text = each[:_LONGEST].partition("=")
            yield name, text


def _folders(text: str) -> tuple[str, ...]:
    return tuple(folder for folder in text.split(":") if folder.startswith("/"))[:_MOST_FOLDERS]
