"""Three tiers: a strong root model, a cheap one for single texts, and one for runs below the run.

    python examples/multi_tier.py                                                      # stand-ins for all three
    python examples/multi_tier.py openai:gpt-5 openai:gpt-5-nano openai:gpt-5-mini     # root, sub, deeper

Each tier has a budget, and what it used is told by tier and model.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rlm_search import RLM, Limits, Message, ScriptedModel

MINUTES = {
    "january.txt": "The board met. Ida proposed a new lamp. It costs 900 crowns. The proposal was accepted.",
    "february.txt": "The board met. Ole proposed a slipway. It costs 70,000 crowns. The proposal was put off.",
    "march.txt": "The board met. Mara proposed a second ferry. It costs 400,000 crowns. The proposal was accepted.",
}
QUESTION = "Which proposals were accepted, and what do they cost together?"

ROOT = """
kept = llm_batch([f"Was the proposal accepted? Reply yes or no.\\n{text}" for text in FILES.values()])
accepted = [text for text, said in zip(FILES.values(), kept) if said == "yes"]
total = rlm_query("What do these proposals cost together, in crowns?", context="\\n".join(accepted))
FINAL(f"{', '.join(name for name, said in zip(FILES, kept) if said == 'yes')}: {total} crowns together")
"""
DEEPER = r"""
costs = [int(cost.replace(",", "")) for cost in re.findall(r"costs ([\d,]+) crowns", P)]
FINAL(f"{sum(costs):,}")
"""


def sub(messages: Sequence[Message]) -> str:
    return "yes" if "was accepted" in messages[-1].content else "no"


def main(root_model: str = "", sub_model: str = "", deeper_model: str = "") -> None:
    rlm = RLM(
        model=root_model or ScriptedModel([f"```python{ROOT}```"], name="strong"),
        sub_model=sub_model or ScriptedModel(sub, name="cheap"),
        deeper_models=[deeper_model or ScriptedModel([f"```python{DEEPER}```"], name="middling")],
        limits=Limits(depth=1, root_tokens=200_000, sub_tokens=500_000, subcalls=100),
    )
    answer = rlm.run(QUESTION, context=MINUTES)
    print(answer.status, answer.reason)
    print(answer.text)
    for tier, models in answer.usage_by_model.items():
        for name, usage in models.items():
            print(f"{tier:>5}  {name:<20} {usage.calls} calls, {usage.total_tokens:,} tokens")


if __name__ == "__main__":
    main(*sys.argv[1:])
