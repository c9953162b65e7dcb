"""Language models: adapters, and the wrappers around them.

`rlm_search.assemble.open_model` turns a spec into a model. Wrappers, outermost first:
`Traced(Metered(Cached(Retrying(Limited(adapter)))))`; the two outer ones are added for each run.
"""
