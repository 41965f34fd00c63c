"""What to run, in the words of `spark-submit`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

TOKEN_PROPERTY: Final = "spark.statestore.submission"  # noqa: S105 - a name, and one that Spark shows
"""The property that carries the token: Spark shows those whose names say neither token nor secret."""

OPTIONS: Final = {
    "spark.app.name": "name",
    "spark.driver.memory": "driver_memory",
    "spark.driver.cores": "driver_cores",
    "spark.driver.extraJavaOptions": "driver_java_options",
    "spark.driver.extraClassPath": "driver_class_path",
    "spark.driver.extraLibraryPath": "driver_library_path",
    "spark.executor.memory": "executor_memory",
    "spark.executor.cores": "executor_cores",
    "spark.executor.instances": "num_executors",
    "spark.cores.max": "total_executor_cores",
    "spark.jars": "jars",
    "spark.jars.packages": "packages",
    "spark.jars.excludes": "exclude_packages",
    "spark.jars.repositories": "repositories",
    "spark.files": "files",
    "spark.archives": "archives",
    "spark.submit.pyFiles": "py_files",
}


@dataclass(frozen=True, kw_only=True)
class Application:
    """One application; each field is the option of `spark-submit` of that name."""

    application: str
    """A jar, or a Python file, where the cluster can read it: a URL, or a path that every host has."""
    application_args: Sequence[str] = ()
    main_class: str | None = None
    """`--class`; for a jar."""
    name: str | None = None
    conf: Mapping[str, str] = field(default_factory=dict)
    jars: str | None = None
    packages: str | None = None
    exclude_packages: str | None = None
    repositories: str | None = None
    py_files: str | None = None
    files: str | None = None
    archives: str | None = None
    driver_memory: str | None = None
    driver_cores: int | None = None
    driver_java_options: str | None = None
    driver_class_path: str | None = None
    driver_library_path: str | None = None
    executor_memory: str | None = None
    executor_cores: int | None = None
    total_executor_cores: int | None = None
    num_executors: int | None = None
    env_vars: Mapping[str, str] = field(default_factory=dict)
    """The driver's environment."""

    def __post_init__(self) -> None:
        if not self.is_python and self.main_class is None:
            raise ValueError(f"main_class is needed to run {self.application}")
        if self.conf.get("spark.driver.supervise") == "true":
            raise ValueError(
                "spark.driver.supervise would start the driver again under another id: leave it out,"
                " and let the task's retries submit afresh"
            )

    @property
    def is_python(self) -> bool:
        """Whether it is a Python program."""
        return self.application.endswith(".py")

    def properties(self, token: str | None = None) -> dict[str, str]:
        """Spark's properties; `conf` yields to the options, as it does in `spark-submit`."""
        options = {name: getattr(self, option) for name, option in OPTIONS.items()}
        given = {name: str(value) for name, value in options.items() if value is not None}
        named = {"spark.app.name": self.main_class or self.application.rpartition("/")[2]}
        return {**named, **self.conf, **given, **({TOKEN_PROPERTY: token} if token else {})}
