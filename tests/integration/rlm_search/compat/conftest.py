"""The server of models of the examples; here the model's code runs confined."""

from tests.unit.rlm_search.compat.conftest import serve

__all__ = ["serve"]
