"""What a plan will take on a core, without running it: instructions, cycles, code in flash.

Everything here is worked out from the very kernel calls that code generation would print, and is
called an estimate wherever it is shown. `loops` counts what a kernel's loops do, `costs.json` says
what each of these counts takes, as fitted by tools/fit_costs.py on an emulated core.
"""
