"""A tool of your own: a function that the model's code may call. It runs here, with your database, not in the sandbox.

python examples/custom_tool.py                      # a script stands in for the model
python examples/custom_tool.py openai:gpt-5-mini    # a real one, which is told the signature and the docstring
"""

from __future__ import annotations

import sqlite3
import sys
from typing import Any

from rlm_search import RLM, ScriptedModel

ORDERS = [("Ole", "rye bread", 4, 3), ("Ole", "lamp oil", 9, 1), ("Mara", "rye bread", 4, 12), ("Ida", "rope", 25, 2)]
MEMO = "Memo: whoever spends more than 45 crowns in all is given a calendar. Ask the shop's books, not this memo."
QUESTION = "Who is given a calendar?"

PROGRAM = r"""
limit = int(re.search(r"more than (\d+) crowns", P)[1])
names = sorted({order["customer"] for order in orders()})
spent = {name: sum(order["price"] * order["pieces"] for order in orders(name)) for name in names}
FINAL(", ".join(f"{name} ({total} crowns)" for name, total in spent.items() if total > limit))
"""


def shop() -> sqlite3.Connection:
    """The books of a shop."""
    books = sqlite3.connect(":memory:", check_same_thread=False)  # tools may be called from several threads
    books.execute("create table orders (customer, item, price, pieces)")
    books.executemany("insert into orders values (?, ?, ?, ?)", ORDERS)
    return books


def main(model: str = "") -> None:
    books = shop()

    def orders(customer: str = "") -> list[dict[str, Any]]:
        """The orders of a customer, or of all: dicts of customer, item, price in crowns, pieces."""
        found = books.execute("select * from orders where ? in ('', customer)", [customer])
        return [dict(zip(("customer", "item", "price", "pieces"), row, strict=True)) for row in found]

    stand_in = ScriptedModel([f"The memo names the limit, the books the orders.\n```python{PROGRAM}```"])
    answer = RLM(model=model or stand_in, tools=[orders]).run(QUESTION, context=MEMO)
    print(answer.status, answer.reason)
    print(answer.text)


if __name__ == "__main__":
    main(*sys.argv[1:])
