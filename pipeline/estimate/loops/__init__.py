"""How often the loops of each kernel turn: one function per kernel, beside its C by name.

Each function walks a kernel's control flow, as firmware/lib/kernels has it, without computing
anything, and counts what costs: calls, rows, groups of pixels, blocks of products. Costs are linear
in these counts, because the kernels' instructions hardly depend on data.
"""
