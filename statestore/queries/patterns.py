"""Patterns of names, and what a principal reaches, as conditions of a query."""

from typing import Any

from django.db.models import CharField, Lookup, Q

from statestore.access import EVERYTHING, Principal, Right


class _Pattern(Lookup):
    """The whole text fits a pattern, case and all.

    LIKE on PostgreSQL and GLOB on SQLite (whose LIKE takes A for a): their time does not explode with
    the number of wildcards, as that of a regular expression does.
    """

    like: dict[int, str]
    glob: dict[int, str]

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """PostgreSQL's LIKE."""
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} LIKE %s", (*parameters, str(self.rhs).translate(self.like))

    def as_sqlite(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """SQLite's GLOB."""
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} GLOB %s", (*parameters, str(self.rhs).translate(self.glob))


@CharField.register_lookup
class Fits(_Pattern):
    """`dag_id__fits="sales_*"`: * and ? are the wildcards, as in access.py."""

    lookup_name = "fits"
    like = str.maketrans({"*": "%", "?": "_", "%": r"\%", "_": r"\_", "\\": r"\\"})
    glob = str.maketrans({"[": "[[]"})


@CharField.register_lookup
class FitsSQL(_Pattern):
    """`name__fits_sql="%orders_"`: % and _ are the wildcards, as Airflow documents them."""

    lookup_name = "fits_sql"
    like = str.maketrans({"\\": r"\\"})
    glob = str.maketrans({"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"})


def any_of(column: str, patterns: tuple[str, ...]) -> Q:
    """One of the patterns `sales_*` fits the column."""
    if EVERYTHING in patterns:
        return Q()
    if not patterns:
        return Q(pk__in=[])
    return Q(*((f"{column}__fits", pattern) for pattern in patterns), _connector=Q.OR)


def like(column: str, pattern: str) -> Q:
    """The pattern, with SQL's wildcards % and _, fits the column; an empty one fits all."""
    return Q(**{f"{column}__fits_sql": pattern}) if pattern else Q()


def reached(principal: Principal, *, prefix: str = "") -> Q:
    """The task instances that the principal may see; `prefix` leads from the row to them."""
    if principal.task is not None:
        return Q(**{f"{prefix}scope_digest": principal.task.digest})
    return any_of(f"{prefix}dag_id", principal.dag_patterns(Right.VIEW))


def reached_assets(principal: Principal, *, prefix: str = "") -> Q:
    """The assets that the principal may see; `prefix` leads from the row to them."""
    return any_of(f"{prefix}name", principal.asset_patterns(Right.VIEW))
