"""Ask an index one question from Python: `python examples/minimal.py INDEX "QUESTION" [MODEL]`."""

from __future__ import annotations

import sys

from rlm_search import RLM, Limits


def main(index: str, question: str, model: str = "extractive") -> None:
    rlm = RLM(model=model, retriever=index, limits=Limits(steps=20, seconds=300))
    answer = rlm.run(question)
    print(answer.status, answer.reason)
    print(answer.text)
    for citation in answer.citations:
        pages = f", p. {citation.pages[0]}" if citation.pages else ""
        print(f"{citation.marker} {citation.source}{pages}: “{citation.quote}”")


if __name__ == "__main__":
    main(*sys.argv[1:])
