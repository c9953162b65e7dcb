"""Ask an index one question, and print the answer with its citations.

ingest examples/archive --index .rlm-search/demo
python examples/ask_index.py                                      # that index, quoting without a language model
python examples/ask_index.py ollama:qwen3:8b INDEX "QUESTION"     # a model on this machine, an index of your own
"""

from __future__ import annotations

import sys
from pathlib import Path

from rlm_search import RLM, Limits

INDEX = ".rlm-search/demo"
QUESTION = "What gust limit applies to berthing at Northquay since February 2024?"


def main(model: str = "extractive", index: str = INDEX, question: str = QUESTION) -> None:
    if "://" not in index and not Path(index).exists():
        sys.exit(f"there is no index {index}: ingest examples/archive --index {index}")
    rlm = RLM(model=model, retriever=index, limits=Limits(steps=20, seconds=300))
    answer = rlm.run(question)
    print(answer.status, answer.reason)
    print(answer.text)
    for citation in answer.citations:
        pages = f", p. {citation.pages[0]}" if citation.pages else ""
        print(f"{citation.marker} {citation.source}{pages}: “{citation.quote}”")


if __name__ == "__main__":
    main(*sys.argv[1:])
