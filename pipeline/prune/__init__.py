"""Structured pruning: dependency groups, criteria, surgery and its proof, for any Keras 3 graph."""
