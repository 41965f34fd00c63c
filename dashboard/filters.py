"""What a query string asks of Live: `?state=failed&q=dag:sales key:job_id invoices&sort=name`.

`dag:sales` asks for ids that begin so, `dag:=sales` for that one alone.
"""

import re
from dataclasses import asdict
from typing import Final

from django.http import QueryDict

from statestore.queries import TaskFilter, TaskOrder, TaskState

FIELDS: Final = ("dag", "run", "task", "key")
WORDS_MAX: Final = 5
POSITION_MAX: Final = 4000  # characters
DIGITS: Final = 18  # of the numbers that every database takes

_word = re.compile(rf"""(?:({"|".join(FIELDS)}):(=?))?(?:"((?:[^"\\]|\\.)+)"|(\S+))""")
_plain = re.compile(r"""[^\s":=][^\s":]*""")  # what needs no quotes


def filter_of(params: QueryDict) -> TaskFilter:
    """The filter; what it does not understand it leaves out."""
    state, fields = params.get("state", ""), dict.fromkeys(FIELDS, "")
    words: list[str] = []
    whole: set[str] = set()
    for field, exactly, inside, plain in _word.findall(params.get("q", "").replace("\0", "")):
        text = re.sub(r"""\\(["\\])""", r"\1", inside) or plain
        if field:
            fields[field] = text
            (whole.add if exactly else whole.discard)(field)
        else:
            words.append(text)
    return TaskFilter(
        state=TaskState(state) if state in set(TaskState) else None,
        dag=fields["dag"],
        run=fields["run"],
        task=fields["task"],
        key=fields["key"],
        words=tuple(words[:WORDS_MAX]),
        whole=frozenset(whole),
    )


def order_of(params: QueryDict) -> TaskOrder:
    """The sort order."""
    order = params.get("sort", "")
    return TaskOrder(order) if order in set(TaskOrder) else TaskOrder.ATTENTION


def position_of(params: QueryDict) -> str:
    """Where the page begins; empty: at the first row."""
    position = params.get("after", "")
    return position if len(position) <= POSITION_MAX else ""


def key_of(params: QueryDict) -> str:
    """The key that is named, without what no database takes; empty: none."""
    return params.get("key", "").replace("\0", "")


def after_key_of(params: QueryDict) -> str:
    """The key after which a page of keys begins; empty: at the first one."""
    return params.get("after_key", "").replace("\0", "")


def number_of(text: str) -> int | None:
    """The number of a row or version that an address or a form names; None: it names none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= DIGITS else None


def word_of(field: str, text: str, *, whole: bool = False) -> str:
    """The word that asks for this beginning of a field, or for the `whole` of it: `dag:sales`,
    `dag:"two words"`, `dag:=sales`."""
    return f"{field}:{'=' * whole}{quoted(text)}"


def quoted(text: str) -> str:
    """The text as one word, in quotes where it needs them."""
    if _plain.fullmatch(text):
        return text
    return '"' + re.sub(r"""(["\\])""", r"\\\1", text) + '"'


def is_filtered(where: TaskFilter) -> bool:
    """Whether the filter leaves anything out."""
    return any(asdict(where).values())
