"""Which C files generated code calls, and names of its own for all that a linker sees.

Two exports may meet in one program. C has no namespaces, so each export's functions and constants
carry its name in front.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from posixpath import dirname, join, normpath

_INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)
# Definitions begin at the first column, as clang-format puts them.
_DEFINITION = re.compile(
    r"^(?!static\b|typedef\b|#)[A-Za-z_][\w *]*?\b(\w+)\([^;{}]*\)\s*\{", re.MULTILINE
)
# So do declarations: of functions, and of functions of a named type.
_DECLARATION = re.compile(
    r"^(?!static\b|typedef\b)[A-Za-z_][\w *]*?\b(\w+)\([^;{}]*\);|^\w+ \w+(?:, \w+)*;",
    re.MULTILINE,
)
# A macro that defines functions whose names it puts together: void begin_##name##end(
_PASTED = re.compile(r"^ +\w[\w *]*?\b(\w+_)##\w+##(\w+)\(", re.MULTILINE)
_ASSEMBLY = re.compile(r"^ASSEMBLY_FUNCTION\((\w+)", re.MULTILINE)
_COMMENT = re.compile(r"//[^\n]*")
# Constants of one layer, as views.py names them.
_LAYER = re.compile(r"model_(\d+)_")
_GENERATED = re.compile(r"\b(?:model|MODEL)_\w+")


def called_sources(texts: Mapping[str, str], library: Mapping[str, str]) -> tuple[str, ...]:
    """The files of a library that some sources need: headers, and definitions of what they call.

    Args:
        texts: the sources, by name.
        library: the library's files by name; includes are relative to the file, or to its root.
    Returns:
        Names of the library, sorted.
    """
    definitions = linked_symbols(library)
    needed: set[str] = set()
    waiting = [("", text) for text in texts.values()]
    while waiting:
        folder, text = waiting.pop()
        names = {find_include(folder, include, library) for include in _INCLUDE.findall(text)}
        words = _called_words(text)
        names |= {definitions[word] for word in words & definitions.keys()}
        for name in names - needed - {""}:
            needed.add(name)
            waiting.append((dirname(name), library[name]))
    return tuple(sorted(needed))


def _called_words(text: str) -> set[str]:
    """Words of a source but for comments, includes and declarations."""
    for other in (_COMMENT, _INCLUDE, _DECLARATION):
        text = other.sub("", text)
    return set(re.findall(r"\w+", text))


def find_include(folder: str, include: str, library: Mapping[str, str]) -> str:
    """The library's name of what a file of `folder` includes; "" where it is none of its."""
    for name in (normpath(join(folder, include)), include):
        if name in library:
            return name
    return ""


def linked_symbols(library: Mapping[str, str]) -> dict[str, str]:
    """Names that a linker sees of a library, and the files that define them."""
    words = {word for text in library.values() for word in re.findall(r"\w+", text)}
    found: dict[str, str] = {}
    for name, text in library.items():
        if not name.endswith(".c"):
            continue
        found |= dict.fromkeys(defined_symbols(text), name)
        for begin, end in _PASTED.findall(text):
            pasted = re.compile(rf"{begin}\w*{end}")
            found |= {word: name for word in words if pasted.fullmatch(word)}
    return found


def pasted_beginnings(text: str) -> set[str]:
    """What macros begin the names with that they put together."""
    return {begin for begin, _ in _PASTED.findall(text)}


def defined_symbols(text: str) -> set[str]:
    """Functions with external linkage that a C file of the library defines.

    What a C file declares without a header is its own, written in assembly.
    """
    found = {*_DEFINITION.findall(text), *_DECLARATION.findall(text), *_ASSEMBLY.findall(text)}
    return found - {""}


def generated_symbols(text: str) -> set[str]:
    """Names in generated code that begin with the generator's prefix, layers' names aside."""
    return set(_GENERATED.findall(_COMMENT.sub("", text)))


def layer_of(symbol: str) -> int | None:
    """Index of the operator whose constants a symbol of engine aot holds; None of all others."""
    match = _LAYER.match(symbol)
    return int(match[1]) if match else None


def renamed(text: str, names: Mapping[str, str]) -> str:
    """A text in which whole words are replaced."""
    return re.sub(r"\w+", lambda match: names.get(match[0], match[0]), text)


def own_name(symbol: str, prefix: str) -> str:
    """The name of a symbol in an export: model_run of "person" is person_run."""
    if symbol.startswith("model_"):
        return f"{prefix}_{symbol.removeprefix('model_')}"
    if symbol.startswith("MODEL_"):
        return f"{prefix.upper()}_{symbol.removeprefix('MODEL_')}"
    return f"{prefix}_{symbol}"
