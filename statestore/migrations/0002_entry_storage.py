"""Leave room in each page of entries, so that overwriting a key stays a HOT update (PostgreSQL)."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def leave_room(apps: object, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE statestore_entry SET (fillfactor = 70)")
        schema_editor.execute("ALTER TABLE statestore_taskinstance SET (fillfactor = 80)")


class Migration(migrations.Migration):
    dependencies = [("statestore", "0001_initial")]
    operations = [migrations.RunPython(leave_room, migrations.RunPython.noop, elidable=False)]
