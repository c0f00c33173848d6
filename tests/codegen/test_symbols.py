"""Which files a program needs, and names of its own."""

from __future__ import annotations

import pytest

from pipeline.codegen.symbols import (
    called_sources,
    defined_symbols,
    generated_symbols,
    linked_symbols,
    own_name,
    pasted_beginnings,
    renamed,
)

LIBRARY = {
    "a.h": '#include "b.h"\nvoid a(int x);\nvoid other(void);\nkind typed;\n',
    "a.c": '#include "a.h"\n\nvoid a(int x) {\n  (void)x;\n}\n',
    "other.c": '#include "a.h"\n\nvoid other(void) {}\n',
    "typed.c": '#include "a.h"\nvoid typed(int x,\n           int y) {\n}\n',
    "b.h": "static inline int b(void) { return c(); }\n",
    "c.c": "#include <string.h>\nint c(void) {\n  return 1;\n}\n",
    "dsp/d.c": '#include "../b.h"\n#include "e.h"\nvoid d(void) { b(); }\n',
    "dsp/e.h": "struct e { int x; };\n",
    "unused.c": "void unused(void) {}\n",
    "pasted.h": "kind pasted_one_s8, pasted_two_s8;\n",
    "pasted.c": "#define P(name) \\\n  void pasted_##name##_s8(void) {}\nP(one)\nP(two)\n",
}


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("int x;", ()),
        ('#include "a.h"\nvoid f(void) { a(1); }', ("a.c", "a.h", "b.h", "c.c")),
        ('#include "a.h"\n// other()\n', ("a.h", "b.h", "c.c")),
        ('#include "a.h"\nkind *f = typed;', ("a.h", "b.h", "c.c", "typed.c")),
        ("void f(void) { d(); }", ("b.h", "c.c", "dsp/d.c", "dsp/e.h")),
        ('#include "model.h"\n', ()),
        ('#include "pasted.h"\nint x;', ("pasted.h",)),
        ("kind *f = pasted_two_s8;", ("pasted.c",)),
    ],
)
def test_only_what_is_called_is_needed(text: str, files: tuple[str, ...]) -> None:
    assert called_sources({"model.c": text}, LIBRARY) == files


def test_what_a_linker_sees() -> None:
    text = """\
#define MACRO(x) (x)
struct s { int y; };
typedef void f(int);
static int hidden(int x) { return x; }
static inline void hidden_too(void) {}
int32_t one(const struct s *s,
            int x) {
  if (x) {
    return 1;
  }
}
void *pointer(void) { return 0; }
void in_assembly(struct s s);
ASSEMBLY_FUNCTION(by_macro, "bx lr")
"""
    assert defined_symbols(text) == {"one", "pointer", "in_assembly", "by_macro"}


def test_names_that_a_macro_puts_together() -> None:
    text = LIBRARY["pasted.c"]
    assert pasted_beginnings(text) == {"pasted_"}
    assert linked_symbols(LIBRARY)["pasted_one_s8"] == "pasted.c"
    assert "x_pasted_##name##_s8(void)" in renamed(text, {"pasted_": "x_pasted_"})


def test_layers_names_stay() -> None:
    text = "// 0: CONV_2D model_1/stem\nvoid model_run(void) { model_00_filter; MODEL_SIZE; }\n"
    symbols = generated_symbols(text)
    assert symbols == {"model_run", "model_00_filter", "MODEL_SIZE"}
    names = {symbol: own_name(symbol, "person") for symbol in symbols}
    assert renamed(text, names) == (
        "// 0: CONV_2D model_1/stem\nvoid person_run(void) { person_00_filter; PERSON_SIZE; }\n"
    )


def test_kernels_get_the_name_in_front() -> None:
    assert own_name("conv_2d_s8", "person") == "person_conv_2d_s8"
