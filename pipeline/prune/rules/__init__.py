"""How each kind of layer passes channels on: one file per family, and the table of them all."""
