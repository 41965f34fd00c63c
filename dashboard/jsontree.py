"""A JSON value as a tree of nested `<details>`, which opens without any script; each token as it was sent."""

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from dashboard.jsonview import OPEN_MAX, clipped, count_text, span
from statestore.jsonpretty import MAX_DEPTH, kind, tokens

NODES_MAX: Final = 2000
CHILDREN_MAX: Final = 200  # of one object or array
OPEN_LEVELS: Final = 2
PREVIEW: Final = 60  # characters of a string that is folded


@dataclass(slots=True)
class Node:
    """A value in the tree."""

    first: str  # its first token: `{`, `[`, or the value itself
    name: str = ""  # the member's name as it was sent, with its quotes; the element's index
    children: list["Node"] = field(default_factory=list)
    """The first ones."""
    count: int = 0
    """Of all children."""

    @property
    def holds(self) -> str:
        """What its children are called; nothing where it can have none."""
        return {"{": "field", "[": "item"}.get(self.first, "")


def has_tree(text: str) -> bool:
    """Whether the value is an object or an array."""
    return text.lstrip().startswith(("{", "["))


def tree_html(text: str, *, raw_url: str) -> SafeString:
    """The value as a tree; what is too much for one is said to be at `raw_url`."""
    return _Drawing(raw_url, NODES_MAX).node(tree_of(text), 0, "")


def tree_of(text: str) -> Node:
    """The value's nodes, at most CHILDREN_MAX below each."""
    top = Node("")
    inside, name = [top], ""
    for word in tokens(text):
        here = inside[-1]
        if word in "]}":
            inside.pop()
        elif here.first == "{" and not name and word != ",":
            name = word
        elif word not in ":,":
            node = Node(word, name or (str(here.count) if here.first == "[" else ""))
            name = ""
            here.count += 1
            if here.count <= CHILDREN_MAX:
                here.children.append(node)
            if node.holds:
                inside.append(node)
    return top.children[0]


@dataclass(slots=True)
class _Drawing:
    """Draws until so many nodes are drawn."""

    raw_url: str
    left: int

    def node(self, node: Node, depth: int, place: str) -> SafeString:
        if node.holds:
            return self._with_children(node, depth, place)
        value = span(kind(node.first, ""), node.first)
        if len(node.first) <= OPEN_MAX:
            return format_html("{}{}", _name(node), value)
        about = format_html(
            '<span class="size">{}</span> {}',
            count_text(len(node.first) - 2, "char"), clipped(node.first, PREVIEW),
        )  # fmt: skip
        return _details(node, place, about, value, opened=False)

    def _with_children(self, node: Node, depth: int, place: str) -> SafeString:
        # Siblings first: what is deep inside of the first of them hides none of the others.
        room = self.left if depth < MAX_DEPTH else 0
        shown = node.children[:room]
        self.left -= len(shown)
        items = format_html_join(
            "",
            "<li>{}</li>",
            ((self.node(child, depth + 1, f"{place}/{child.name}"),) for child in shown),
        )
        ends = format_html('<span class="jp">{}</span>', "{}" if node.first == "{" else "[]")
        about = format_html(
            '{} <span class="size">{}</span>', ends, count_text(node.count, node.holds)
        )
        if not node.count:
            return format_html("{}{}", _name(node), about)
        inside = format_html("<ul>{}{}</ul>", items, self._rest(node, len(shown)))
        return _details(node, place, about, inside, opened=depth < OPEN_LEVELS)

    def _rest(self, node: Node, shown: int) -> SafeString:
        if node.count == shown:
            return SafeString()
        what = count_text(node.count - shown, f"more {node.holds}" if shown else node.holds)
        return format_html(
            '<li class="rest">{} in the <a href="{}">raw view</a></li>', what, self.raw_url
        )


def _name(node: Node) -> SafeString:
    if not node.name:
        return SafeString()
    style = "jk" if node.name.startswith('"') else "jp"
    return format_html('<span class="{}">{}</span><span class="jp">:</span> ', style, node.name)


def _details(
    node: Node, place: str, about: SafeString, inside: object, *, opened: bool
) -> SafeString:
    """What opens; named after its place, so that it stays open when the value changes."""
    name = blake2b(place.encode(), digest_size=8).hexdigest()
    return format_html(
        '<details id="n-{}"{}><summary>{}{}</summary>{}</details>',
        name, SafeString(" open") if opened else "", _name(node), about, inside,
    )  # fmt: skip
