"""Facades: programs written for pyrlm-runtime, rlm, rlm-loop, rlm-minimal or dspy.RLM, but for the import line.

Each is a package of its own, imported when it is asked for. They translate names and nothing else: docs/compat.md.
"""
