"""A recorded run to walk through in the terminal: its tree on the left, what happened there on the right, a search."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Footer, Input, Static, Tree
from textual.widgets.tree import TreeNode

from rlm_search.rendering.words import printable
from rlm_search.trace.tree import Entry

_MOST_SHOWN = 200_000
"""Characters of one entry on the right."""


class TraceBrowser(App[None]):
    """The run of a tree; arrows walk, `/` searches, `n` and `N` go to the next and the last that was found.

    What it shows comes from documents and models: it is text, never markup, and steers no terminal.
    """

    TITLE = "rlm-search"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Tree { width: 45%; border-right: solid $panel; }
    #details { padding: 0 1; }
    #search { display: none; dock: bottom; }
    #search.open { display: block; }
    #found { dock: bottom; height: 1; color: $text-muted; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "search"),
        Binding("n", "next(1)", "next"),
        Binding("N", "next(-1)", "last"),
        Binding("e", "unfold", "unfold all"),
        Binding("tab", "app.focus_next", "other side"),
        Binding("escape", "leave_search", "", show=False),
        Binding("q", "quit", "quit"),
    ]

    def __init__(self, entry: Entry) -> None:
        super().__init__()
        self._entry = entry
        self._line_of: dict[int, TreeNode[Entry]] = {}
        self._found: list[Entry] = []
        self._at = -1

    def compose(self) -> ComposeResult:
        """Tree, details, and below them what was found and what is searched for."""
        with Horizontal():
            yield Tree[Entry](_shown(self._entry.label), data=self._entry, id="tree")
            with VerticalScroll():
                yield Static(id="details", markup=False)
        yield Static(id="found", markup=False)
        yield Input(placeholder="search", id="search")
        yield Footer()

    def on_mount(self) -> None:
        """Fill the tree; steps are folded out, what lies in cells is not."""
        root = self._tree.root
        self._line_of[id(self._entry)] = root
        self._fill(root, self._entry)
        root.expand()
        for step in root.children:
            step.expand()
        self._tree.focus()
        self._show(self._entry)

    def on_tree_node_highlighted(self, event: Tree.NodeHighlighted[Entry]) -> None:
        """Show what the line under the cursor stands for."""
        if event.node.data is not None:
            self._show(event.node.data)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Look for a text in everything, and go to the first place that has it."""
        words = event.value.strip()
        self.action_leave_search()
        self._found = [entry for entry in self._entry.walk() if words and entry.holds(words)]
        self._at = -1
        self.action_next(1)

    def action_search(self) -> None:
        """Ask for a text."""
        search = self.query_one("#search", Input)
        search.add_class("open")
        search.value = ""
        search.focus()

    def action_leave_search(self) -> None:
        """Back to the tree."""
        self.query_one("#search", Input).remove_class("open")
        self._tree.focus()

    def action_next(self, by: int) -> None:
        """Go to the next place that was found, or to the one before."""
        if not self._found:
            self.query_one("#found", Static).update("nothing found")
            return
        self._at = (self._at + by) % len(self._found)
        self.query_one("#found", Static).update(f"{self._at + 1} of {len(self._found)}")
        node = self._line_of[id(self._found[self._at])]
        above = node.parent
        while above is not None:
            above.expand()
            above = above.parent
        self.call_after_refresh(self._go_to, node)

    def action_unfold(self) -> None:
        """Show every line."""
        self._tree.root.expand_all()

    @property
    def _tree(self) -> Tree[Entry]:
        return self.query_one("#tree", Tree)

    def _go_to(self, node: TreeNode[Entry]) -> None:
        self._tree.move_cursor(node)
        self._tree.scroll_to_node(node)

    def _fill(self, node: TreeNode[Entry], entry: Entry) -> None:
        for child in entry.children:
            label = _shown(child.label)
            if child.children:
                below = node.add(label, data=child)
                self._fill(below, child)
            else:
                below = node.add_leaf(label, data=child)
            self._line_of[id(child)] = below

    def _show(self, entry: Entry) -> None:
        details = entry.details
        cut = f"\n… {len(details) - _MOST_SHOWN:,} characters more" if len(details) > _MOST_SHOWN else ""
        self.query_one("#details", Static).update(Text(printable(details[:_MOST_SHOWN]) + cut))


def _shown(label: str) -> Text:
    return Text(printable(label).replace("\n", " "))
