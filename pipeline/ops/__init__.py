"""Operators of a quantized graph, one file each: parse, check, count, call."""
