"""Generated models compiled for this machine, so that tests can run them layer by layer."""

from __future__ import annotations

import ctypes
import itertools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pipeline.codegen.render import generate
from pipeline.ops.rows import num_rows, row_bytes
from pipeline.ops.table import rows_read, rows_written
from pipeline.paths import cache_path, firmware_path
from pipeline.plan.deploy import make_plan
from pipeline.records import Array, DeployPlan, Graph, KernelTarget, Placement, Step

_STRICT = ("-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
_SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")

# Zig accepts the flag and has neither the header nor the runtime.
_PROBE = "#include <sanitizer/asan_interface.h>\nint main(void) { return 0; }\n"

# What a byte of the arena holds before anything is written to it.
_GARBAGE = 0xA5


class HostCompiler:
    """Compiles generated models for this machine; the kernels once, each model on its own.

    Args:
        folder: for everything that is compiled.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kernels = firmware_path() / "lib" / "kernels"
        self._numbers = itertools.count()
        cc = shutil.which("cc")
        self._command = [cc] if cc else [sys.executable, "-m", "ziglang", "cc"]
        # Zig checks for undefined behaviour by default, with a runtime that it does not link here.
        self._plain = ("-fPIC",) if cc else ("-fPIC", "-fno-sanitize=all")
        self._objects: dict[tuple[str, ...], list[str]] = {}
        self._models: dict[tuple[str, str, KernelTarget], CompiledModel] = {}
        self._sanitizes: bool | None = None

    def compile(
        self,
        graph: Graph,
        command: str = "test",
        target: KernelTarget = KernelTarget.PORTABLE,
    ) -> CompiledModel:
        """The aot engine's code for a graph, loaded into this process; once for each model.

        Args:
            graph: the model.
            command: for the head of the sources.
            target: whose kernels run it.
        """
        key = (graph.sha256, command, target)
        if key not in self._models:
            self._models[key] = self.load(make_plan(graph, target), command)
        return self._models[key]

    def load(self, plan: DeployPlan, command: str = "test") -> CompiledModel:
        """The same for a plan of one's own."""
        folder = self._generate(plan, command)
        # One translation unit is compiled in half the time of two.
        unit = folder / "unit.c"
        unit.write_text('#include "weights.c"\n#include "model.c"\n', encoding="ascii")
        library = folder / "model.so"
        self._cc(
            *self._plain,
            "-shared",
            *self._includes(folder),
            str(unit),
            *self._kernel_objects(self._plain),
            "-o",
            str(library),
        )
        return CompiledModel(plan, library)

    def sanitize(
        self, graph: Graph, target: KernelTarget = KernelTarget.PORTABLE
    ) -> SanitizedModel:
        """The same as a program under AddressSanitizer and UndefinedBehaviorSanitizer.

        Skips the test where the compiler cannot link such programs.
        """
        return self.load_sanitized(make_plan(graph, target))

    def load_sanitized(self, plan: DeployPlan) -> SanitizedModel:
        """The same for a plan of one's own."""
        if not self.can_sanitize():
            pytest.skip(f"{self._command[-1]} has no -fsanitize=address,undefined")
        folder = self._folder / f"sanitized_{next(self._numbers)}"
        (model,) = self.sanitize_plans([plan], folder)
        return model

    def sanitize_plans(self, plans: Sequence[DeployPlan], folder: Path) -> list[SanitizedModel]:
        """Many models in one sanitized program, where compiler and linker start only once.

        Args:
            plans: of the models.
            folder: for sources and program; made where it is missing.
        """
        units = []
        for number, plan in enumerate(plans):
            sources = folder / str(number)
            generate(plan, sources, command="test")
            (sources / "unit.c").write_text(_checking_unit(plan, number), encoding="ascii")
            for path in sources.iterdir():
                # The models of a program must not share names.
                text = path.read_text(encoding="ascii")
                renamed = re.sub(r"\bmodel_(?=\w)", f"model{number}_", text)
                path.write_text(renamed, encoding="ascii")
            units.append(str(sources / "unit.c"))
        main = folder / "main.c"
        main.write_text(_checking_main(len(plans)), encoding="ascii")
        program = folder / "models"
        self._cc(
            *_SANITIZE,
            f"-I{self._kernels}",
            str(main),
            *units,
            *self._kernel_objects(_SANITIZE),
            "-o",
            str(program),
        )
        return [SanitizedModel(plan, program, number) for number, plan in enumerate(plans)]

    def program(
        self,
        out: Path,
        sources: Sequence[Path],
        includes: Sequence[Path] = (),
        *,
        kernels: bool = False,
    ) -> Path:
        """A program of one's own, sanitized where the compiler can.

        Args:
            out: the program.
            sources: all of it, but for the kernels.
            includes: folders of headers.
            kernels: whether it calls any.
        """
        flags = _SANITIZE if self.can_sanitize() else self._plain
        objects = self._kernel_objects(flags) if kernels else []
        paths = [f"-I{folder}" for folder in (*includes, self._kernels)]
        self._cc(*flags, *paths, *map(str, sources), *objects, "-o", str(out))
        return out

    def _generate(self, plan: DeployPlan, command: str) -> Path:
        folder = self._folder / f"model_{next(self._numbers)}"
        generate(plan, folder, command=command)
        return folder

    def _includes(self, folder: Path) -> tuple[str, ...]:
        return (f"-I{self._kernels}", f"-I{folder}")

    def _kernel_objects(self, flags: tuple[str, ...]) -> list[str]:
        if flags not in self._objects:
            objects = []
            for source in sorted(self._kernels.rglob("*.c")):
                target = self._folder / f"{source.stem}_{len(self._objects)}.o"
                self._cc(*flags, "-c", str(source), "-o", str(target))
                objects.append(str(target))
            self._objects[flags] = objects
        return self._objects[flags]

    def can_sanitize(self) -> bool:
        """Whether the compiler links programs with sanitizers."""
        if self._sanitizes is None:
            probe = self._folder / "probe.c"
            probe.write_text(_PROBE, encoding="ascii")
            program = self._folder / "probe"
            try:
                self._cc(*_SANITIZE, str(probe), "-o", str(program))
                subprocess.run([str(program)], check=True, capture_output=True)
                self._sanitizes = True
            except (AssertionError, subprocess.CalledProcessError):
                self._sanitizes = False
        return self._sanitizes

    def _cc(self, *arguments: str) -> None:
        cache = str(cache_path() / "zig")
        done = subprocess.run(
            [*self._command, *_STRICT, *arguments],
            env={"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache, **os.environ},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


class CompiledModel:
    """A generated model in this process, and its arena.

    Args:
        plan: of the model.
        library: the shared library that was compiled from it.
    """

    def __init__(self, plan: DeployPlan, library: Path) -> None:
        self.plan = plan
        self._library = ctypes.CDLL(str(library))
        self._arena = (ctypes.c_uint8 * (plan.arena_bytes + 16))()
        self._base = -ctypes.addressof(self._arena) % 16
        self._places = _places(plan)

    def run(self, x: Sequence[Array]) -> tuple[Array, ...]:
        """Outputs of one sample, given one array per input, with or without batch."""
        self.load(x)
        self._library.model_run(ctypes.byref(self._arena, self._base))
        return tuple(self.read(index) for index in self.plan.graph.outputs)

    def load(self, x: Sequence[Array]) -> None:
        """Write the inputs; whatever else is in the arena is garbage, as on a device."""
        ctypes.memset(self._arena, _GARBAGE, len(self._arena))
        for index, values in zip(self.plan.graph.inputs, x, strict=True):
            data = np.ascontiguousarray(values).tobytes()
            assert len(data) == self.plan.graph.tensors[index].size_bytes
            ctypes.memmove(self._address(index), data, len(data))

    def run_step(self, step: Step) -> None:
        """Run one step of the schedule."""
        self._library.model_run_layer(
            ctypes.byref(self._arena, self._base), step.op, step.first_row, step.end_row
        )

    def read(self, index: int) -> Array:
        """A whole tensor's value in the arena, in the tensor's shape."""
        tensor = self.plan.graph.tensors[index]
        return self.read_rows(index, range(num_rows(tensor))).reshape(tensor.shape)

    def read_rows(self, index: int, rows: range) -> Array:
        """Rows of a tensor in the arena, flat."""
        tensor = self.plan.graph.tensors[index]
        size = row_bytes(tensor)
        base = ctypes.addressof(self._arena) + self._base
        data = b"".join(
            ctypes.string_at(base + row_offset(self.plan, self._places[index], index, row), size)
            for row in rows
        )
        return np.frombuffer(data, dtype=tensor.dtype)

    def _address(self, index: int) -> int:
        return ctypes.addressof(self._arena) + self._base + self._places[index].offset_bytes


class SanitizedModel:
    """A generated model as a program that ends at the first access outside a step's rows.

    Args:
        plan: of the model.
        program: that was compiled from it and from others.
        number: of the model in the program.
    """

    def __init__(self, plan: DeployPlan, program: Path, number: int) -> None:
        self.plan = plan
        self._program = program
        self._number = number

    def run(self, samples: Sequence[Sequence[Array]]) -> list[tuple[Array, ...]]:
        """Outputs of each sample, given one array per input."""
        data = b"".join(np.ascontiguousarray(x).tobytes() for sample in samples for x in sample)
        done = subprocess.run(
            [str(self._program), str(self._number)],
            input=data,
            # The leak checker cannot run under every tracer and container; nothing is allocated.
            env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
        graph = self.plan.graph
        results = []
        position = 0
        for _ in samples:
            outputs = []
            for index in graph.outputs:
                tensor = graph.tensors[index]
                raw = done.stdout[position : position + tensor.size_bytes]
                outputs.append(np.frombuffer(raw, dtype=tensor.dtype).reshape(tensor.shape))
                position += tensor.size_bytes
            results.append(tuple(outputs))
        assert position == len(done.stdout)
        return results


def _places(plan: DeployPlan) -> dict[int, Placement]:
    return {index: place for place in plan.placements for index in place.tensors}


def row_offset(plan: DeployPlan, place: Placement, index: int, row: int) -> int:
    """Where a row of a tensor lies in the arena, in bytes from its start."""
    slot = row if place.ring is None else row % place.ring
    return place.offset_bytes + slot * row_bytes(plan.graph.tensors[index])


def _checking_main(models: int) -> str:
    """A main() that runs the model whose number it is given."""
    declarations = "".join(f"int run_{number}(void);\n" for number in range(models))
    names = ", ".join(f"run_{number}" for number in range(models))
    return f"""\
#include <stdlib.h>

{declarations}
int main(int argc, char **argv) {{
  static int (*const kRuns[])(void) = {{{names}}};
  return argc == 2 ? kRuns[atoi(argv[1])]() : 2;
}}
"""


def _checking_unit(plan: DeployPlan, number: int) -> str:
    """Runs samples from stdin through a model and lets each step touch its own rows only."""
    rows = "".join(
        f"    {{{position}, {at}, {size}}},\n"
        for position, step in enumerate(plan.steps)
        for at, size in _regions(plan, step)
    )
    return f"""\
#include <sanitizer/asan_interface.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.c"
#include "weights.c"

int run_{number}(void);

static const struct {{
  unsigned step;
  uint32_t offset_bytes, size_bytes;
}} kRegions[] = {{
{rows}}};

enum {{ SIZE = (MODEL_ARENA_BYTES / MODEL_ARENA_ALIGNMENT + 1) * MODEL_ARENA_ALIGNMENT }};

int run_{number}(void) {{
  uint8_t *arena = aligned_alloc(MODEL_ARENA_ALIGNMENT, SIZE);
  for (;;) {{
    memset(arena, {_GARBAGE}, SIZE);
    for (unsigned i = 0; i < MODEL_NUM_INPUTS; ++i) {{
      uint8_t *input = arena + model_inputs[i].offset_bytes;
      if (fread(input, 1, model_inputs[i].size_bytes, stdin) != model_inputs[i].size_bytes) {{
        free(arena);
        return 0;
      }}
    }}
    for (unsigned step = 0; step < MODEL_NUM_STEPS; ++step) {{
      ASAN_POISON_MEMORY_REGION(arena, SIZE);
      for (size_t i = 0; i < sizeof kRegions / sizeof kRegions[0]; ++i) {{
        if (kRegions[i].step == step) {{
          ASAN_UNPOISON_MEMORY_REGION(arena + kRegions[i].offset_bytes, kRegions[i].size_bytes);
        }}
      }}
      const struct model_step *part = &model_steps[step];
      model_run_layer(arena, part->layer, part->first_row, part->end_row);
      ASAN_UNPOISON_MEMORY_REGION(arena, SIZE);
    }}
    for (unsigned i = 0; i < MODEL_NUM_OUTPUTS; ++i) {{
      fwrite(arena + model_outputs[i].offset_bytes, 1, model_outputs[i].size_bytes, stdout);
    }}
  }}
}}
"""


def _regions(plan: DeployPlan, step: Step) -> list[tuple[int, int]]:
    """(offset, size) of everything in the arena that a step may touch."""
    graph, places = plan.graph, _places(plan)
    op = graph.ops[step.op]
    touched = [
        *rows_read(op, graph, step.first_row, step.end_row).items(),
        *rows_written(op, graph, step.first_row, step.end_row).items(),
    ]
    return [
        (row_offset(plan, places[index], index, row), row_bytes(graph.tensors[index]))
        for index, rows in touched
        for row in rows
    ] + [(p.offset_bytes, p.size_bytes) for p in plan.placements if p.scratch_of == step.op]
