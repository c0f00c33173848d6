"""Studies: many prunings of a model under equal conditions, and which of them are best.

A trial is one model, method, amount and seed. Optuna's storage is the queue that any number of
workers take trials from; what a trial gives depends on its key alone, and lies in the study's
folder.
"""
