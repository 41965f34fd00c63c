"""Patterns of names, and what a principal reaches, as conditions of a query."""

from typing import Any

from django.db.models import CharField, Lookup, Q

from statestore.access import EVERYTHING, Principal, Right


class _Pattern(Lookup):
    """The text fits a pattern.

    Written with LIKE and GLOB, whose time does not explode with the number of wildcards, as that of a
    regular expression does.
    """

    # the operator, what stands for which characters, and what surrounds the pattern
    postgresql: tuple[str, dict[int, str], str]
    sqlite: tuple[str, dict[int, str], str]

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """The condition, with the operator and the wildcards of the database."""
        column, parameters = self.process_lhs(compiler, connection)
        operator, words, form = getattr(self, connection.vendor)
        return f"{column} {operator} %s", (*parameters, form.format(self.rhs.translate(words)))


@CharField.register_lookup
class Fits(_Pattern):
    """`dag_id__fits="sales_*"`: the whole text, case and all; * and ? are wildcards, as in access.py."""

    lookup_name = "fits"
    postgresql = (
        "LIKE",
        str.maketrans({"*": "%", "?": "_", "%": r"\%", "_": r"\_", "\\": r"\\"}),
        "{}",
    )
    sqlite = ("GLOB", str.maketrans({"[": "[[]"}), "{}")  # its LIKE takes A for a


@CharField.register_lookup
class Begins(_Pattern):
    """`name__begins="orders_"`: case and all; nothing is a wildcard."""

    lookup_name = "begins"
    postgresql = ("LIKE", str.maketrans({"%": r"\%", "_": r"\_", "\\": r"\\"}), "{}%")
    sqlite = ("GLOB", str.maketrans({"*": "[*]", "?": "[?]", "[": "[[]"}), "{}*")


@CharField.register_lookup
class Holds(_Pattern):
    """`name__holds="orders_%eu"`: anywhere, whatever the case; % and _ are wildcards, as in Airflow."""

    lookup_name = "holds"
    postgresql = ("ILIKE", str.maketrans({"\\": r"\\"}), "%{}%")
    sqlite = ("LIKE", {}, "%{}%")


@CharField.register_lookup
class Literally(Lookup):
    """`key__literally="progress"`: equal to a word of ours, which stands in the statement itself.

    A partial index is only found where the statement says for every parameter that it fits.
    """

    lookup_name = "literally"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """The condition."""
        column, parameters = self.process_lhs(compiler, connection)
        if not self.rhs.isalpha():
            raise ValueError("only a plain word of ours may stand in a statement")
        return f"{column} = '{self.rhs}'", tuple(parameters)


@CharField.register_lookup
class Filled(Lookup):
    """`asset__filled=True`: not the empty text, said so that a partial index of these is found."""

    lookup_name = "filled"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """The condition."""
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} > ''", tuple(parameters)


def any_of(column: str, patterns: tuple[str, ...]) -> Q:
    """One of the patterns `sales_*` fits the column."""
    if EVERYTHING in patterns:
        return Q()
    if not patterns:
        return Q(pk__in=[])
    return Q(*((f"{column}__fits", pattern) for pattern in patterns), _connector=Q.OR)


def reached(principal: Principal, *, prefix: str = "", right: Right = Right.VIEW) -> Q:
    """The task instances over which the principal has the right; `prefix` leads to them."""
    if principal.task is not None:
        return Q(**{f"{prefix}scope_digest": principal.task.digest})
    return any_of(f"{prefix}dag_id", principal.dag_patterns(right))


def reached_assets(principal: Principal) -> Q:
    """The assets that the principal may see."""
    named = Q() if principal.assets is None else Q(name__in=principal.assets)
    return named & any_of("name", principal.asset_patterns(Right.VIEW))
