"""The first examples of each project once more, with the model's code confined as it is for a user."""

from __future__ import annotations

import pytest

from tests.unit.rlm_search.compat.test_dspy_rlm import test_outputs_have_their_types_and_a_misfit_is_sent_back
from tests.unit.rlm_search.compat.test_pyrlm_more import (
    test_a_repl_keeps_variables_calls_functions_and_tells_what_it_holds,
    test_document_tools_over_a_store_of_ones_own_read_within_the_policy,
)
from tests.unit.rlm_search.compat.test_pyrlm_runtime import (
    test_batches_run_whatever_parallel_says,
    test_steps_of_a_run_that_another_started_have_kinds_of_their_own,
    test_the_example_without_an_api_gives_the_summary,
    test_the_quickstart_answers_over_documents,
)
from tests.unit.rlm_search.compat.test_rlm import (
    test_custom_tools_are_called_by_the_name_that_they_were_given,
    test_the_first_example_prints_powers_of_two,
)
from tests.unit.rlm_search.compat.test_rlm_loop import (
    test_files_are_there_by_name,
    test_the_anthropic_example_answers_and_sums_up,
)
from tests.unit.rlm_search.compat.test_rlm_minimal import test_the_needle_is_found_in_a_million_lines
from tests.unit.rlm_search.compat.test_rlm_more import (
    test_a_persistent_session_keeps_variables_contexts_and_conversations,
    test_a_session_that_was_closed_begins_anew_and_others_share_nothing,
    test_an_environment_runs_code_with_contexts_and_tools,
    test_tools_that_are_data_are_variables_and_told,
)

pytestmark = pytest.mark.integration

__all__ = [
    "test_a_persistent_session_keeps_variables_contexts_and_conversations",
    "test_a_repl_keeps_variables_calls_functions_and_tells_what_it_holds",
    "test_a_session_that_was_closed_begins_anew_and_others_share_nothing",
    "test_an_environment_runs_code_with_contexts_and_tools",
    "test_batches_run_whatever_parallel_says",
    "test_custom_tools_are_called_by_the_name_that_they_were_given",
    "test_document_tools_over_a_store_of_ones_own_read_within_the_policy",
    "test_files_are_there_by_name",
    "test_outputs_have_their_types_and_a_misfit_is_sent_back",
    "test_steps_of_a_run_that_another_started_have_kinds_of_their_own",
    "test_the_anthropic_example_answers_and_sums_up",
    "test_the_example_without_an_api_gives_the_summary",
    "test_the_first_example_prints_powers_of_two",
    "test_the_needle_is_found_in_a_million_lines",
    "test_the_quickstart_answers_over_documents",
    "test_tools_that_are_data_are_variables_and_told",
]
