"""`rlm-search ask`: a question answered from an index, with citations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from rlm_search.cli import printing
from rlm_search.cli.options import index_options, json_option, read_settings
from rlm_search.errors import ConfigError
from rlm_search.rendering import FORMATS, Format, render

if TYPE_CHECKING:
    from rlm_search.cli.asking import Asking
    from rlm_search.context import Context
    from rlm_search.types import Answer

_EXIT_CODES = {"answered": 0, "not_found": 3, "out_of_budget": 7, "failed": 1}
_UNCITED = 8


@click.command()
@click.argument("question")
@index_options
@click.option("--model", metavar="SPEC", help="openai:NAME, ollama:NAME, extractive, module:Class, …  [looked for]")
@click.option("--sub-model", metavar="SPEC", help="What the model's own questions go to.  [the same]")
@click.option(
    "--deeper-model", multiple=True, metavar="SPEC", help="Of runs at depth 1, 2, … that it starts; repeatable."
)
@click.option("--native-tools", is_flag=True, help="The model runs code by a tool call, not by fences.")
@click.option(
    "--history", type=click.Choice(["full", "trim", "compact"]), help="What happens to a long conversation.  [full]"
)
@click.option("--max-steps", type=click.IntRange(0), metavar="N", help="Turns of the model; 0 is no limit.")
@click.option("--max-subcalls", type=click.IntRange(0), metavar="N", help="Questions of the model to its sub-model.")
@click.option("--max-depth", type=click.IntRange(0), metavar="N", help="How deep runs may start runs of their own.")
@click.option("--max-searches", type=click.IntRange(0), metavar="N", help="Searches and counts.")
@click.option("--max-tokens", type=click.IntRange(0), metavar="N", help="Input and output of both models.")
@click.option("--max-root-tokens", type=click.IntRange(0), metavar="N", help="Of the model that writes the code.")
@click.option("--max-sub-tokens", type=click.IntRange(0), metavar="N", help="Of all that it delegates.")
@click.option("--max-cost", type=click.FloatRange(0), metavar="USD", help="US dollars, where prices are known.")
@click.option("--max-seconds", type=click.FloatRange(0), metavar="S", help="Wall clock of the run.")
@click.option(
    "--require-citations",
    is_flag=True,
    help="No answer without a citation that holds, else exit code 8; sentences without one are marked.",
)
@click.option(
    "--verify", is_flag=True, help="The sub-model checks each claim against its quotes; what they do not say is marked."
)
@click.option(
    "--context-file",
    "context_files",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="FILE",
    help="Text to work on, in place of an index; repeat it for more.",
)
@click.option(
    "--context-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="A folder of text files to work on.",
)
@click.option("--context-glob", metavar="PATTERN", default="**/*", help="Which files of --context-dir.  [**/*]")
@click.option(
    "--answer-schema",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A JSON schema that the answer has to fit.",
)
@click.option(
    "--trace", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Where to record the run."
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask before a batch of calls that costs much.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.option("-v", "--verbose", is_flag=True, help="Each step as a line.")
@click.option(
    "--format", "form", type=click.Choice(FORMATS), help="How the answer is printed.  [text; json with --json]"
)
@json_option
def ask(
    question: str,
    index: str | None,
    config: Path | None,
    model: str | None,
    sub_model: str | None,
    deeper_model: tuple[str, ...],
    native_tools: bool,
    history: str | None,
    max_steps: int | None,
    max_subcalls: int | None,
    max_depth: int | None,
    max_searches: int | None,
    max_tokens: int | None,
    max_root_tokens: int | None,
    max_sub_tokens: int | None,
    max_cost: float | None,
    max_seconds: float | None,
    require_citations: bool,
    verify: bool,
    context_files: tuple[Path, ...],
    context_dir: Path | None,
    context_glob: str,
    answer_schema: Path | None,
    trace: Path | None,
    yes: bool,
    quiet: bool,
    verbose: bool,
    form: str | None,
    as_json: bool,
) -> int:
    """Answer QUESTION from the documents of an index, with citations that were checked against them.

    Without --model: the one of the settings, a provider whose key is in the environment (OPENAI_API_KEY, …), Ollama
    on this machine, or no language model at all: then passages are quoted, and it is said so.

    With --context-file or --context-dir the model works on that text, and on an index only where --index is given.

    Exit code 3: the documents do not hold the answer. 7: a limit was reached. 8: no citation holds.

    \b
    Examples:
      rlm-search ask "Who approved the 2019 budget?"
      rlm-search ask "How did margins develop?" --model ollama:qwen3:8b --max-seconds 120
      rlm-search ask "What was capital expenditure in 2018?" --model extractive --json
      rlm-search ask "Which suppliers were late?" --verify --format html > answer.html
    """  # noqa: D301 - click reads the backspace character
    from rlm_search.cli.asking import Asking

    if not question.strip():
        raise click.UsageError("the question is empty")
    if as_json and form not in (None, "json"):
        raise click.UsageError(f"--json and --format {form} exclude each other")
    settings = read_settings(
        index,
        config,
        {
            "model": {
                "spec": model,
                "deeper": list(deeper_model) or None,
                "native_tools": native_tools or None,
            },
            "sub_model": {"spec": sub_model},
            "history": {"mode": history},
            "limits": {
                "depth": max_depth,
                "steps": max_steps,
                "subcalls": max_subcalls,
                "searches": max_searches,
                "total_tokens": max_tokens,
                "root_tokens": max_root_tokens,
                "sub_tokens": max_sub_tokens,
                "cost_usd": max_cost,
                "seconds": max_seconds,
            },
            "ask": {"require_citations": require_citations or None, "verify": verify or None},
        },
    )
    context = _context(context_files, context_dir, context_glob)
    asking = Asking(
        settings,
        answer_type=_schema(answer_schema) if answer_schema else None,
        context=context,
        has_index=context is None or index is not None,
        says_yes=yes,
    )
    for line in asking.announcement():
        printing.tell(line)
    answer = asking.run(question, trace=trace, quiet=quiet, verbose=verbose)
    _put(question, answer, asking, form="json" if as_json else form or "text", quiet=quiet)
    if asking.requires_citations and not answer.citations and answer.status != "not_found":
        return _UNCITED
    return _EXIT_CODES[answer.status]


def _context(files: tuple[Path, ...], folder: Path | None, pattern: str) -> Context | None:
    from rlm_search.context import Context

    paths = [*files, *([folder] if folder else [])]
    return Context.from_paths(*paths, pattern=pattern) if paths else None


def _schema(path: Path) -> dict[str, Any]:
    try:
        schema = json.loads(path.read_bytes())
    except ValueError as error:
        raise ConfigError(f"{path} is no JSON: {error}", hint='a JSON schema, such as {"type": "object"}') from None
    if not isinstance(schema, dict):
        raise ConfigError(f"{path} is no JSON schema", hint='a JSON schema, such as {"type": "object"}')
    return schema


def _put(question: str, answer: Answer, asking: Asking, *, form: str, quiet: bool) -> None:
    from rlm_search.answers import as_data
    from rlm_search.cli.answers import put_answer

    plain = as_data(answer)
    if form == "json":
        about = {"model": asking.model_name, "note": asking.note, "trace": str(asking.trace_file or "")}
        printing.put_json({"question": question, **plain, **about})
    elif form == "text":
        put_answer(plain)
        if asking.note:
            printing.put()
            printing.put(printing.dim(asking.note))
    else:
        printing.put(render(plain, cast("Format", form), question=question, note=asking.note))
    if not quiet:
        printing.tell(asking.summary(answer))
