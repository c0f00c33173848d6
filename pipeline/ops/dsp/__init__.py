"""Kernels for Cortex-M cores with the DSP extension: for each operator, its call where one fits.

`call(op, graph)` of a module returns None for a layer that none of the kernels in
firmware/lib/kernels/dsp fits; the portable kernel then takes it.
"""
