"""Reports as pages: one file each, without anything from a network."""
