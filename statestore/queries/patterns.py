"""Patterns of names as conditions of a query, in regular expressions that every database reads alike."""

from django.db.models import Q

ANY = "*"


def any_of(column: str, patterns: tuple[str, ...]) -> Q:
    """One of the patterns `sales_*` fits the column."""
    if ANY in patterns:
        return Q()
    if not patterns:
        return Q(pk__in=[])
    return Q(**{f"{column}__regex": "|".join(_regex(pattern, "*", "?") for pattern in patterns)})


def like(column: str, pattern: str) -> Q:
    """The pattern, with SQL's wildcards % and _, fits the column; an empty one fits all."""
    return Q(**{f"{column}__regex": _regex(pattern, "%", "_")}) if pattern else Q()


def _regex(pattern: str, many: str, one: str) -> str:
    wildcards = {many: ".*", one: "."}
    return f"^{''.join(wildcards.get(c) or _literal(c) for c in pattern)}$"


def _literal(character: str) -> str:
    return f"\\{character}" if character in r".^$*+?{}[]\|()" else character
