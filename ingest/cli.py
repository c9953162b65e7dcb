"""The command `ingest`: read files into an index, and see to what became of them.

Everything heavy is imported inside the commands, so that `--help` and `--version` answer at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from ingest.controls import visible

if TYPE_CHECKING:
    from ingest.report import IngestReport
    from ingest.signals import Signals
    from retrievers.settings import Settings

COMMANDS = ("run", "status", "failures", "retry", "forget", "reembed")
_OWN_OPTIONS = ("--help", "-h", "--version")
_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class _DefaultsToRun(click.Group):
    """Help of the whole command: its own, and the options of `run`, which a bare PATH means."""

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage("ingest", "[OPTIONS] PATH...")
        formatter.write_usage("ingest", "COMMAND [OPTIONS] [ARGS]...")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        run_context = click.Context(run, info_name="run", parent=ctx)
        click.Command.format_options(run, run_context, formatter)
        self.format_commands(ctx, formatter)


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_INDEX = click.option(
    "--index", metavar="URL", help="The index: a folder, or the URL of one on a server. [default: .rlm-search/index]"
)
_CONFIG = click.option(
    "--config", type=click.Path(path_type=Path), metavar="FILE", help="Settings, in place of rlm-search.toml."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_SHARD = click.option(
    "--shard", metavar="K/N", help="Only this part of the files, by a hash of their paths; for an index on a server."
)
_KIND = click.option(
    "--kind",
    "kinds",
    multiple=True,
    metavar="KIND",
    help="Only this kind (repeatable).",
    callback=lambda _, __, kinds: _known(kinds),
)
_RUNNING = (
    click.option(
        "--embedder", metavar="SPEC", help="minilm, none, sentence-transformers:NAME, openai:NAME, module:Class."
    ),
    click.option("--workers", type=click.IntRange(min=0), metavar="N", help="Processes that read files; 0: all CPUs."),
    click.option(
        "--executor",
        type=click.Choice(["local", "ray"]),
        help="Where files are read and embedded: here, or on a Ray cluster. [default: local]",
    ),
    _SHARD,
    click.option("--password", "passwords", multiple=True, metavar="TEXT", help="Tried on encrypted files."),
    click.option(
        "--passwords-file", type=click.Path(path_type=Path), metavar="FILE", help="Passwords to try, one a line."
    ),
    click.option(
        "--ocr",
        type=click.Choice(["auto", "off", "always"]),
        help="Read pages that are pictures: where a program for it is there, never, or all pages. [default: auto]",
    ),
    click.option("--ocr-languages", metavar="LIST", help="Languages to expect, e.g. eng,deu. [default: eng]"),
    click.option(
        "--metadata",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Fields of files: csv or jsonl, by path or id.",
    ),
    click.option(
        "--path-fields", multiple=True, metavar="TEMPLATE", help="Fields of names, e.g. '{company}_{year:int}.pdf'."
    ),
    click.option("--id-field", metavar="NAME", help="Of records in jsonl, json, csv: their id. [default: _id, id]"),
    click.option("--title-field", metavar="NAME", help="Their title. [default: title]"),
    click.option("--text-field", metavar="NAMES", help="Their text, several by comma. [default: text, content, body]"),
    click.option("--log-file", type=click.Path(path_type=Path), metavar="FILE", help="Append progress and failures."),
    click.option("--events", metavar="FILE", help="Write what happens as JSON lines; - is stdout."),
    click.option(
        "--metrics", type=click.Path(path_type=Path), metavar="FILE", help="Keep metrics for Prometheus there."
    ),
    click.option("--report", type=click.Path(path_type=Path), metavar="FILE", help="Write the report as JSON, too."),
    _JSON,
    click.option("--quiet", "-q", is_flag=True, help="No progress."),
    click.option("--verbose", "-v", is_flag=True, help="Name each file that fails."),
    _CONFIG,
)


@click.group(
    cls=_DefaultsToRun,
    context_settings=_CONTEXT,
    epilog="""\b
Examples:
  ingest ./archive
  ingest ./archive --include '*.pdf' --index ./papers --embedder none
  ingest status --json
A file named like a command is read by `ingest ./status` or `ingest run status`.""",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=lambda c, _, on: _version(c, on))
def cli() -> None:
    """Read files and folders into a searchable index.

    Unchanged files are skipped; a run that was stopped goes on where it was. Text can be searched as soon as it is
    written, vectors follow in the same run.
    """


@cli.command(
    context_settings=_CONTEXT,
    epilog="""\b
Examples:
  ingest ./archive
  ingest run ./reports ./mail --exclude 'draft*' --report report.json
  ingest ./archive --embedder none --rebuild""",
)
@click.argument("paths", nargs=-1, metavar="PATH...")
@_options(
    _INDEX,
    click.option("--files-from", metavar="FILE", help="Also the paths that FILE names, one a line; - is stdin."),
    click.option("--null", "-0", "is_null", is_flag=True, help="They are separated by NUL (find -print0)."),
    click.option("--include", multiple=True, metavar="GLOB", help="Only files whose name or path matches."),
    click.option("--exclude", multiple=True, metavar="GLOB", help="No files or folders that match."),
    click.option("--rebuild", is_flag=True, help="Build a fresh index beside the old one and put it in its place."),
    click.option("--sync", is_flag=True, help="Remove documents whose files are gone from below PATH."),
    click.option("--dry-run", is_flag=True, help="Count what would be read, by format, and write nothing."),
    click.option("--watch", is_flag=True, help="Stay, and follow what changes below PATH; Ctrl-C ends it."),
    *_RUNNING,
)
def run(paths: Sequence[str], rebuild: bool, sync: bool, dry_run: bool, watch: bool, **given: Any) -> int:
    """Read PATH... into the index (what `ingest PATH...` does).

    A PATH is a file, a folder, a quoted pattern such as 'docs/**/*.pdf', or, with the extra `cloud`, a URL: s3://…,
    gs://…, https://….
    """
    from ingest.addresses import local_path
    from ingest.commands import run_paths
    from ingest.signals import say

    paths = [local_path(path) for path in paths]
    if not paths and not given["files_from"]:
        raise click.UsageError("name a PATH, or a list of them with --files-from")
    _check_usage(paths, given)
    if rebuild + dry_run + watch > 1:
        raise click.UsageError("--rebuild, --dry-run and --watch do not go together")
    if watch:
        return _watch(paths, given)
    if dry_run:
        return _estimate(paths, given)
    report = run_paths(paths, options=_options_of(given), rebuild=rebuild, sync=sync)
    if not report.files.found:
        named = ", ".join(path for path in (*paths, given["files_from"]) if path)
        say(f"no files found under {named}; hidden ones and those left out by --include and --exclude do not count")
    return _finish(report, given)


def _watch(paths: Sequence[str], given: dict[str, Any]) -> int:
    from ingest.commands import watch_paths

    for report in watch_paths(paths, options=_options_of(given)):
        _finish(report, given)
        sys.stdout.flush()
    return 0


def _estimate(paths: Sequence[str], given: dict[str, Any]) -> int:
    from ingest.commands import estimate_paths
    from ingest.estimate import lines
    from ingest.report import json_of

    found = estimate_paths(paths, options=_options_of(given))
    click.echo(json_of(found) if given["as_json"] else _told(lines(found)))
    return 0


@cli.command(context_settings=_CONTEXT)
@_options(_INDEX, _KIND, *_RUNNING)
def retry(kinds: Sequence[str], **given: Any) -> int:
    """Read files again that have failed."""
    from ingest.commands import run_failed

    _check_usage((), given)
    return _finish(run_failed(kinds, options=_options_of(given)), given)


@cli.command(context_settings=_CONTEXT, short_help="Make all vectors anew with another embedder.")
@_options(_INDEX, *_RUNNING)
def reembed(**given: Any) -> int:
    """Make all vectors anew with another embedder, from the text that the index holds; no file is read.

    They are made beside the index, which answers as before until all are there. A run that was stopped goes on.
    """
    from ingest.commands import reembed as run_reembed

    _check_usage((), given)
    return _finish(run_reembed(options=_options_of(given)), given)


@cli.command(context_settings=_CONTEXT, short_help="What the index holds, and how far a run is.")
@_options(_INDEX, _SHARD, _JSON, _CONFIG)
def status(index: str | None, shard: str | None, as_json: bool, config: Path | None) -> int:
    """What the index holds, the state of files, failures, and the run that goes on."""
    from ingest.commands import status_of
    from ingest.report import json_of
    from ingest.status import lines

    found = status_of(_settings(config, index=index, ingest={"shard": shard}))
    click.echo(json_of(found) if as_json else _told(lines(found)))
    return 0


@cli.command(context_settings=_CONTEXT)
@_options(_INDEX, _KIND, _JSON, _CONFIG)
def failures(index: str | None, kinds: Sequence[str], as_json: bool, config: Path | None) -> int:
    """The files that could not be read, and why.

    With --kind also those that no parser reads (unsupported), and those that were read with a warning: empty,
    needs-ocr, pages-lost, repaired, truncated, encoding.
    """
    from ingest.commands import failures_of
    from ingest.report import json_of
    from ingest.status import failure_lines

    found = failures_of(_settings(config, index=index), kinds)
    click.echo(json_of({"failures": found}) if as_json else _told(failure_lines(found)))
    return 0


@cli.command(context_settings=_CONTEXT, short_help="Remove documents, by path or by id.")
@click.argument("names", nargs=-1, required=True, metavar="PATH|ID...")
@_options(_INDEX, _JSON, _CONFIG)
def forget(names: Sequence[str], index: str | None, as_json: bool, config: Path | None) -> int:
    """Remove documents from the index: by file, by folder, or by document id."""
    from ingest.commands import forget_names
    from ingest.report import json_of, removed_sentence

    found = forget_names(names, _settings(config, index=index))
    click.echo(json_of(found) if as_json else removed_sentence(found.documents, found.files))
    return 0


def _known(kinds: Sequence[str]) -> Sequence[str]:
    """The kinds, where all of them are kinds of failures and warnings: a slip would find none and look like success."""
    from ingest.causes import WHAT_TO_DO
    from ingest.report import WHAT_IT_MEANS

    known = sorted({*WHAT_TO_DO, *WHAT_IT_MEANS})
    for kind in kinds:
        if kind not in known:
            raise click.BadParameter(f"{kind!r} is none of {', '.join(known)}")
    return kinds


def _check_usage(paths: Sequence[str], given: dict[str, Any]) -> None:
    """Mistakes that are cheaper to say before the run than after."""
    from ingest.outputs import check_outputs

    for path in paths:
        if path in COMMANDS and not Path(path).exists():
            raise click.UsageError(f"a command comes before all options: `ingest {path} …`")
    check_outputs(given)
    if given["events"] == "-" and given["as_json"]:
        raise click.UsageError("--events - and --json both write to stdout; name a file for one of them")


def _options_of(given: dict[str, Any]) -> Any:
    from ingest.commands import Options
    from ingest.outputs import watchers
    from ingest.passwords import hide_arguments

    table = {"workers": given["workers"], "ocr": given["ocr"], "executor": given["executor"], "shard": given["shard"]}
    table["passwords_file"] = str(given["passwords_file"]) if given["passwords_file"] else None
    table["ocr_languages"] = given["ocr_languages"].split(",") if given["ocr_languages"] else None
    table["metadata"] = str(given["metadata"]) if given["metadata"] else None
    table["text_field"] = given["text_field"].split(",") if given["text_field"] else None
    for key in ("include", "exclude", "path_fields", "id_field", "title_field"):
        table[key] = given.get(key) or None
    hide_arguments(given["passwords"])
    settings = _settings(given["config"], index=given["index"], embedder=given["embedder"], ingest=table)
    return Options(
        settings=settings,
        passwords=given["passwords"],
        listed=given.get("files_from") or "",
        is_null=given.get("is_null", False),
        progress=watchers(given),
        stopping=_signals().asking,
    )


def _signals() -> Signals:
    signals: Signals = click.get_current_context().ensure_object(dict)["signals"]
    return signals


def _settings(
    config: Path | None, *, index: str | None, embedder: str | None = None, ingest: dict[str, Any] | None = None
) -> Settings:
    from retrievers import settings

    flags = {"index": {"url": index}, "embedder": {"spec": embedder}, "ingest": ingest or {}}
    return settings.load(flags=flags, config_file=config)


def _finish(report: IngestReport, given: dict[str, Any]) -> int:
    from ingest.outputs import write_report
    from ingest.report import json_of, sentences

    try:
        if given["report"] is not None:
            write_report(given["report"], report)
    finally:
        click.echo(json_of(report) if given["as_json"] else _told(sentences(report)), err=given["events"] == "-")
    return report.exit_code


def _told(lines: Iterable[str]) -> str:
    return "\n".join(map(visible, lines))


def _version(context: click.Context, is_asked: bool) -> None:
    if not is_asked:
        return
    from importlib.metadata import version

    click.echo(f"ingest, rlm-search {version('rlm-search')}")
    context.exit(0)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command; never shows a traceback."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments and arguments[0] not in (*COMMANDS, *_OWN_OPTIONS):
        arguments.insert(0, "run")
    from ingest.signals import Signals

    signals = Signals()
    try:
        code = cli.main(arguments, prog_name="ingest", standalone_mode=False, obj={"signals": signals})
        signals.ignore()
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BaseException as error:  # noqa: BLE001 - fate: ends the run with one line and a hint
        signals.ignore()
        from ingest.endings import explain

        sys.exit(explain(error))
    sys.exit(code if isinstance(code, int) else 0)
