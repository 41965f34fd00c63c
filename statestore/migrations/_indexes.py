"""Indexes of tables that are large and written to meanwhile."""

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState


class AddIndexBesideWrites(migrations.AddIndex):
    """PostgreSQL builds it while others read and write; so the migration has to be `atomic = False`.

    It may be cut short and run again: what was built then, whole or in part, is built anew.
    """

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        concurrently, how = _concurrently(schema_editor)
        name = schema_editor.quote_name(self.index.name)
        schema_editor.execute(f"DROP INDEX {how} IF EXISTS {name}")
        model = to_state.apps.get_model(app_label, self.model_name)
        schema_editor.add_index(model, self.index, **concurrently)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        concurrently, _ = _concurrently(schema_editor)
        model = from_state.apps.get_model(app_label, self.model_name)
        schema_editor.remove_index(model, self.index, **concurrently)


def _concurrently(schema_editor: BaseDatabaseSchemaEditor) -> tuple[dict[str, Any], str]:
    if schema_editor.connection.vendor == "postgresql":
        return {"concurrently": True}, "CONCURRENTLY"
    return {}, ""
