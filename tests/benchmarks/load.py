"""Load from wrk, in short rounds: every target in turn, so that what else runs meets all of them alike."""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from statestore.protocol import ATTEMPT_HEADER

_SCRIPT = """
local paths, bodies = {}, {}
local count = 0
function init(args)
    for line in io.lines(args[1]) do paths[#paths + 1] = line end
    for line in io.lines(args[2]) do bodies[#bodies + 1] = line end
    math.randomseed(os.time())
    count = math.random(#paths)
end
function request()
    count = count + 1
    local body = bodies[count %% math.max(#bodies, 1) + 1]
    return wrk.format("%(method)s", paths[count %% #paths + 1], nil, body)
end
function done(summary, latency, requests)
    local errors = summary.errors
    local bad = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    local line = '{"requests": %%d, "microseconds": %%d, "bad": %%d, "p50": %%d, "p99": %%d, "max": %%d}'
    io.stderr:write(string.format(line, summary.requests, summary.duration, bad,
        latency:percentile(50), latency:percentile(99), latency.max))
end
"""


@dataclass(frozen=True)
class Target:
    """Where to send which request."""

    name: str
    url: str
    token: str
    paths: Sequence[str]
    """Asked for in turn."""
    method: str = "GET"
    bodies: Sequence[str] = ()
    """Sent in turn."""
    cookie: str = ""
    """A browser's session, instead of the token."""
    attempt: int | None = None
    """The writes are those of this attempt."""

    @property
    def headers(self) -> dict[str, str]:
        """What is sent along."""
        known = (
            {"Cookie": self.cookie} if self.cookie else {"Authorization": f"Bearer {self.token}"}
        )
        by = {} if self.attempt is None else {ATTEMPT_HEADER: str(self.attempt)}
        return {"Content-Type": "application/json", **known, **by}


@dataclass
class Series:
    """What the rounds of one target came to."""

    rates: list[float] = field(default_factory=list)
    """Requests a second."""
    p50: list[float] = field(default_factory=list)
    """Milliseconds."""
    p99: list[float] = field(default_factory=list)
    longest: float = 0.0
    """Of all rounds, in milliseconds."""
    bad: int = 0
    """Answers other than 2xx or 3xx, and connections that broke."""

    @property
    def rate(self) -> float:
        """The median, or nothing where an answer was bad."""
        return 0.0 if self.bad else statistics.median(self.rates)

    @property
    def latency(self) -> float:
        """The median of the rounds' medians, in milliseconds."""
        return statistics.median(self.p50)

    def times(self, other: "Series", each: float = 1) -> str:
        """How many times the other one's rate, of which each counts so many times: in each round, where both
        met the same machine, the median and from which to which; nothing where an answer was bad."""
        if self.bad or other.bad:
            return "bad answers: no ratio"
        return ratio(self.rates, other.rates, each)

    def __str__(self) -> str:
        if self.bad:
            return f"{self.bad} bad answers: does not count"
        low, high = min(self.rates), max(self.rates)
        latency = f"p50 {self.latency:.2f} ms, p99 {statistics.median(self.p99):.1f} ms"
        return f"{self.rate:7.0f} a second ({low:.0f} to {high:.0f}), {latency}"


def ratio(ones: Sequence[float], others: Sequence[float], each: float = 1) -> str:
    """The median of their ratios, pair by pair, and from which to which they go."""
    found = sorted(each * one / other for one, other in zip(ones, others, strict=True))
    return f"{statistics.median(found):.2f} ({found[0]:.2f} to {found[-1]:.2f})"


def measure_one(target: Target, *, connections: int, seconds: float) -> Series:
    """Put one target under load, once.

    Raises:
        RuntimeError: an answer was bad.
    """
    found = measure([target], connections=connections, seconds=seconds, rounds=1)[target.name]
    if found.bad:
        raise RuntimeError(f"{target.name}: {found}")
    return found


def measure(
    targets: Sequence[Target], *, connections: int, seconds: float, rounds: int
) -> dict[str, Series]:
    """Put each target under load, in turn, in each round; a first short one only warms them.

    Raises:
        httpx.HTTPStatusError: a target's first request is not answered with 2xx; a redirect, which wrk
            takes for good, neither.
    """
    found = {target.name: Series() for target in targets}
    with tempfile.TemporaryDirectory() as name:
        senders = [
            (target, _sender(target, Path(name) / str(n))) for n, target in enumerate(targets)
        ]
        for target, send in senders:
            _ask(target)
            found[target.name].bad += int(send(connections, 1)["bad"])
        for turn in range(rounds):
            for target, send in senders if turn % 2 == 0 else senders[::-1]:
                done = send(connections, seconds)
                series = found[target.name]
                series.rates.append(done["requests"] / done["microseconds"] * 1e6)
                series.p50.append(done["p50"] / 1000)
                series.p99.append(done["p99"] / 1000)
                series.longest = max(series.longest, done["max"] / 1000)
                series.bad += int(done["bad"])
    return found


def _ask(target: Target) -> None:
    body = target.bodies[0] if target.bodies else None
    url = target.url + target.paths[0]
    answer = httpx.request(target.method, url, content=body, headers=target.headers, timeout=30)
    if not answer.is_success:
        answer.raise_for_status()


def wrk() -> str:
    """The program that sends the load."""
    found = shutil.which("wrk")
    if found is None:
        sys.exit("The benchmarks send their load with wrk: install it (Debian: apt install wrk).")
    return found


def _sender(target: Target, folder: Path) -> Callable[[int, float], dict[str, float]]:
    folder.mkdir()
    script, paths, bodies = folder / "script.lua", folder / "paths", folder / "bodies"
    script.write_text(_SCRIPT % {"method": target.method})
    paths.write_text("\n".join(target.paths))
    bodies.write_text("\n".join(target.bodies))
    words = [word for name, text in target.headers.items() for word in ("-H", f"{name}: {text}")]

    def send(connections: int, seconds: float) -> dict[str, float]:
        command = [wrk(), "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "30s"]
        command += [*words, "-s", str(script), target.url, "--", str(paths), str(bodies)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found: dict[str, float] = json.loads(done.stderr.splitlines()[-1])
        return found

    return send
