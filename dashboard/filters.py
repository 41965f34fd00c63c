"""What a query string asks of Live: `?state=failed&q=dag:sales key:job_id invoices&page=2`."""

import re
from dataclasses import asdict
from typing import Final

from django.http import QueryDict

from statestore.queries import TaskFilter, TaskState

FIELDS: Final = ("dag", "run", "task", "key")
WORDS_MAX: Final = 5
PAGE_MAX: Final = 10_000

_word = re.compile(rf"""({"|".join(f"{field}:" for field in FIELDS)})?(?:"([^"]+)"|(\S+))""")


def filter_of(params: QueryDict) -> TaskFilter:
    """The filter; what it does not understand it leaves out."""
    state, fields, words = params.get("state", ""), dict.fromkeys(FIELDS, ""), []
    for field, quoted, plain in _word.findall(params.get("q", "").replace("\0", "")):
        if field:
            fields[field[:-1]] = quoted or plain
        else:
            words.append(quoted or plain)
    return TaskFilter(
        state=TaskState(state) if state in set(TaskState) else None,
        words=tuple(words[:WORDS_MAX]),
        **fields,
    )


def page_of(params: QueryDict) -> int:
    """The page's number, from 1."""
    text = params.get("page", "1")
    return min(max(1, int(text)), PAGE_MAX) if text.isdecimal() and len(text) < 10 else 1


def word_of(field: str, text: str) -> str:
    """The word that asks for this beginning of a field: `dag:sales`, `dag:"two words"`."""
    return f'{field}:"{text}"' if " " in text else f"{field}:{text}"


def is_filtered(where: TaskFilter) -> bool:
    """Whether the filter leaves anything out."""
    return any(asdict(where).values())
