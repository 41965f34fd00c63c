"""Parts of a page that are drawn again only when that has changed which they show."""

from typing import Final

from django import template
from django.template import Context
from django.template.base import FilterExpression, NodeList, Parser, Token

from dashboard.kept import Kept

register = template.Library()

_drawn: Final = Kept[str](5_000)


@register.tag
def keep(parser: Parser, token: Token) -> template.Node:
    """`{% keep "keys" task.id row.keys %}…{% endkeep %}`: what the block drew last, for this part of this
    task, if all that follows them is equal to what it was. So the block may show nothing else, above
    all no time of now and nothing of who looks on.
    """
    _, *words = token.split_contents()
    part, number, *shown = (parser.compile_filter(word) for word in words)
    block = parser.parse(("endkeep",))
    parser.delete_first_token()
    return _Kept(part, number, shown, block)


class _Kept(template.Node):
    def __init__(
        self,
        part: FilterExpression,
        number: FilterExpression,
        shown: list[FilterExpression],
        block: NodeList,
    ) -> None:
        self.place, self.shown, self.block = (part, number), shown, block

    def render(self, context: Context) -> str:
        """The block."""
        part, number = (word.resolve(context) for word in self.place)
        shown = [word.resolve(context) for word in self.shown]
        return _drawn.get((part, number), shown, lambda: self.block.render(context))
