"""`VertexAIAdapter`: Gemini and its neighbours on Google Cloud, by the extra `any-llm`."""

from __future__ import annotations

from typing import Any

from rlm_search.compat.pyrlm_runtime.adapters import ModelResponse, Turns, asked
from rlm_search.models.any_llm import AnyLlmModel
from rlm_search.models.retrying import RetryingModel
from rlm_search.models.settings import ModelSettings

_SECONDS_A_TRY = 20.0


class VertexAIAdapter:
    """A model of a project and a region; credentials are found as Google's own library finds them.

    Args:
        project_id: of Google Cloud.
        location: the region.
        model: as Vertex calls it.
        timeout: seconds of a call.
        max_retries: how often a call that failed for now is made again, roughly.
        api_transport: taken for the sake of old programs: it is always REST.
        logger_instance: likewise; failures are errors.

    Raises:
        ConfigError: the extra is missing, or the library takes no such project.
    """

    def __init__(
        self,
        project_id: str,
        location: str = "us-central1",
        model: str = "gemini-2.5-pro",
        timeout: int = 600,
        max_retries: int = 3,
        api_transport: str = "rest",
        logger_instance: Any = None,
    ) -> None:
        self.project_id, self.location, self.model = project_id, location, model
        client = {"project": project_id, "location": location}
        settings = ModelSettings(total_seconds=float(timeout))
        opened = AnyLlmModel(f"vertexai:{model}", settings=settings, client_arguments=client)
        self.inner = RetryingModel(opened, max_retries * _SECONDS_A_TRY)

    def complete(self, messages: Turns, *, max_tokens: int = 512, temperature: float = 0.0) -> ModelResponse:
        """One completion."""
        return asked(self.inner, messages, max_tokens, temperature)
