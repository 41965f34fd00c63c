"""Kubernetes' own programs, built once from Debian's source package, and kept below the cache.

No package has them built. Everything is downloaded and unpacked below the cache, by apt with lists of its
own: the machine's packages, sources and lists stay as they are, and root is not needed.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.engines.wheels import cache
from tests.missing import missing

PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
VERSION = "1.20.2"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
PACKAGES = (
    "golang-1.19-go",
    "golang-1.19-src",
    "golang-github-modern-go-reflect2-dev",
    "etcd-server",
)
REFLECT = "github.com/modern-go/reflect2"
"""The one that the source has does not compile with this Go."""
EDIT = (
    "staging/src/k8s.io/api/core/v1/types.go",
    'Supports "TCP", "UDP", and "SCTP".\n\t// Default is TCP.\n',
    'Supports "TCP", "UDP", and "SCTP".\n\t// Default is TCP.\n\t// +default="TCP"\n',
)
"""As in later versions; without it a service that spark-submit applies is refused."""
GENERATED = "k8s.io/kubernetes/pkg/generated/openapi"
FLAGS = ("-trimpath", "-tags=providerless", "-ldflags=-s -w")
PATIENCE = 3600  # seconds

Command = list[str | Path]


def programs() -> Path:
    """The folder of the programs, with etcd."""
    folder = _folder()
    if not (folder / "installed").exists():
        missing("Kubernetes", "make engines ARGS=kubernetes")
    return folder


def install() -> str:
    """Build them, where they are not there yet; what went wrong, else nothing."""
    folder = _folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / "installed").exists():
            return ""
        print(f"building Kubernetes in {folder}: 4 to 10 minutes, 4 GB meanwhile", flush=True)  # noqa: T201
        work = folder / "work"
        shutil.rmtree(folder, ignore_errors=True)
        work.mkdir(parents=True)
        try:
            _download(work)
            _build(work, folder)
        except (OSError, subprocess.SubprocessError) as problem:
            said = getattr(problem, "stderr", "") or ""
            shutil.rmtree(folder)
            return f"Kubernetes: {problem} {said.strip()[-500:]}"
        shutil.rmtree(work)
        (folder / "installed").touch()
    return ""


def _folder() -> Path:
    recipe = repr((VERSION, PACKAGES, EDIT, FLAGS, platform.machine()))
    return cache() / f"kubernetes-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def _download(work: Path) -> None:
    """Download and unpack source and packages into `work`."""
    options = []
    for name, kept in {"State::lists": "lists", "Cache": "cache"}.items():
        (work / kept).mkdir()
        options += ["-o", f"Dir::{name}={work / kept}"]
    _run(["apt-get", *options, "update"], work)
    shown = ["indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)"]
    found = _run(["apt-get", *options, *shown, "Created-By: Packages", "Origin: Debian"], work)
    if not found:
        raise OSError("apt knows no Debian: its source is a package of Debian 12.")
    sources = work / "debian.list"
    lines = [f"[signed-by={KEYRING}] {place}\n" for place in sorted(set(found.splitlines()))]
    sources.write_text("".join(f"{kind} {line}" for kind in ("deb", "deb-src") for line in lines))
    options += ["-o", f"Dir::Etc::sourcelist={sources}", "-o", "Dir::Etc::sourceparts=-"]
    _run(["apt-get", *options, "update"], work)
    _run(["apt-get", *options, "source", "--download-only", "kubernetes"], work)
    _run(["apt-get", *options, "download", *PACKAGES], work)
    (source,) = work.glob(f"kubernetes_*{VERSION}.orig.tar.gz")
    (work / "source").mkdir()
    _run(["tar", "-xzf", source, "-C", work / "source", "--strip-components=1"], work)
    for package in work.glob("*.deb"):
        _run(["dpkg-deb", "-x", package, work / "root"], work)


def _build(work: Path, folder: Path) -> None:
    source = work / "source"
    vendored = source / "vendor" / REFLECT
    shutil.rmtree(vendored)
    shutil.copytree(work / "root/usr/share/gocode/src" / REFLECT, vendored)
    name, before, after = EDIT
    text = (source / name).read_text()
    if text.count(before) != 1:
        raise OSError(f"{name} is not as it was: the build has to be looked at again.")
    (source / name).write_text(text.replace(before, after))

    place = work / "go/src/k8s.io/kubernetes"
    place.parent.mkdir(parents=True)
    place.symlink_to(source)
    go = work / "root/usr/lib/go-1.19"
    environment = {"GOROOT": str(go), "GOPATH": str(work / "go"), "GOCACHE": str(work / "gocache")}
    environment |= {"GO111MODULE": "off", "CGO_ENABLED": "0", "GOFLAGS": ""}
    environment |= {"PWD": str(place)}  # what Go takes for the folder: it follows no links there
    build: Command = [go / "bin/go", "build", "-o", f"{folder}/", *FLAGS]
    _run([*build, "./vendor/k8s.io/kube-openapi/cmd/openapi-gen"], place, environment)
    tagged = sorted(f"k8s.io/kubernetes/{found}" for found in _with_openapi(source))
    generate: Command = [folder / "openapi-gen", "-i", ",".join(tagged), "-p", GENERATED]
    generate += ["-O", "zz_generated.openapi", "-r", os.devnull]
    generate += ["-h", "hack/boilerplate/boilerplate.generatego.txt"]
    _run(generate, place, {**environment, "PATH": f"{go}/bin:{os.environ['PATH']}"})
    (folder / "openapi-gen").unlink()
    _run([*build, *(f"./cmd/{program}" for program in PROGRAMS)], place, environment)
    shutil.copy(work / "root/usr/bin/etcd", folder)


def _with_openapi(source: Path) -> Iterator[str]:
    """The packages whose types the API server describes."""
    for root in ("pkg", "cmd", "plugin", *_vendored(source)):
        for folder, _, files in os.walk(source / root):
            path = Path(folder)
            if "testdata" not in path.parts and any(
                "\n// +k8s:openapi-gen=" in (path / file).read_text()
                for file in files
                if file.endswith(".go")
            ):
                yield path.relative_to(source).as_posix()


def _vendored(source: Path) -> Iterator[str]:
    for each in (source / "vendor/k8s.io").iterdir():
        if each.name not in {"code-generator", "sample-apiserver"}:
            yield f"vendor/k8s.io/{each.name}"


def _run(command: Command, folder: Path, environment: dict[str, str] | None = None) -> str:
    """What it prints. It yields to whatever else the machine does."""
    return subprocess.run(
        ["nice", *command],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    ).stdout
