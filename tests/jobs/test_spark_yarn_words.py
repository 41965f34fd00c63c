"""SparkYarnJob: what becomes of its words where a node of YARN writes them into a shell script."""

import subprocess
from pathlib import Path

from statestore.jobs.spark import Application, SparkYarnJob

NASTY = [
    '{"day": "x"}',
    '{"in": {"the": {"depth": "{{PWD}}"}}}',
    "it's",
    "$(echo no)",
    "`echo no`",
    "$HOME ${HOME} \\$HOME",
    "back\\slash \\\\ \\' \\\"",
    "two words",
    "",
    "<LOG_DIR>/<CPS>",
    "two\nlines; exit 1 & #",
    "zwölf €",
]
"""Arguments that a shell, or YARN, could take for its own."""


def test_words_come_through_the_shells_of_a_node_as_they_are(tmp_path: Path) -> None:
    """A NodeManager replaces its markers, and writes the command into `exec /bin/bash -c "…"`."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").write_text("#!/bin/sh\nprintf '%s\\0' \"$@\"\n")
    (tmp_path / "bin" / "java").chmod(0o755)
    application = Application(
        application="local:/apps/it's a $report.jar",
        main_class="Report",
        application_args=NASTY,
        conf={"spark.report": NASTY[1]},
        driver_java_options="-Xlog:gc:<LOG_DIR>/gc.log '-Dwords=it`s \"$(no)\"'",
    )
    job = SparkYarnJob(application, spark_home="/usr/lib/spark")
    command = job.submission["am-container-spec"]["commands"]["command"]
    for marker, text in (("<LOG_DIR>", str(tmp_path)), ("<CPS>", ":"), ("{{", "$"), ("}}", "")):
        command = command.replace(marker, text)
    line = f'exec /bin/bash -c "{command}"'
    subprocess.run(["bash", "-c", line], env={"JAVA_HOME": str(tmp_path)}, check=True)
    words = (tmp_path / "stdout").read_text().split("\0")[:-1]
    assert [words[at + 1] for at, word in enumerate(words) if word == "--arg"] == NASTY
    assert words[words.index("--jar") + 1] == "local:/apps/it's a $report.jar"
    assert f"-Dspark.report={NASTY[1]}" in words
    assert {f"-Xlog:gc:{tmp_path}/gc.log", '-Dwords=it`s "$(no)"'} <= set(words)
    assert (tmp_path / "stderr").read_text() == ""
