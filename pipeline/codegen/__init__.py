"""Generate the aot engine's C from a plan."""
