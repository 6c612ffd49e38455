#!/usr/bin/env python3
"""Runs workloads on several peers in interleaved rounds and prints a table.

  compare.py [--peers hammerbeam,tokio,...] [--workloads spawn,fairness:4,...]
             [--beam DIR] [--rounds 5] [--out FILE]
  compare.py --from FILE        the table again, from the lines of earlier runs

A round runs every workload on every peer once, so that slow drift of the machine
hits all peers alike. Each run is an OS process of its own and gives one JSON
line, which goes to --out at once. `fairness:K` is fairness beside K hogs.

--beam names a folder with a run.sh that runs the same workloads on the BEAM
(`run.sh -r 1 -t 1 NAME`, fairness as `fair:K:SECONDS:loop`) and prints lines with
the same keys. It always runs with its own default sizes, so it is left out of
workloads whose size --n changes.
"""
import argparse
import datetime
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = ["hammerbeam", "tokio", "kameo", "ractor", "actix"]
BEAM = "beam"
WORKLOADS = ["spawn", "idle", "pingpong", "call", "fanin", "ring", "big", "pipeline",
             "timers", "outside", "lateness", "fairness:0", "fairness:4"]
ON_THE_BEAM = {"spawn", "idle", "pingpong", "call", "fanin", "ring", "big", "pipeline"}
CRATES = ["hammerbeam", "tokio", "kameo", "ractor", "actix", "mimalloc"]
# During a run, cores that others kept busy, above which it counts as disturbed.
QUIET = 0.25

NS = ("ns", 1.0)
US = ("µs", 1.0)
BYTES = ("bytes", 1.0)
MB = ("MB", 1e-6)

# What the table shows of each workload: a caption, the keys to try, the unit.
OPERATION = [("per operation", ["ns_per_op"], NS)]
METRICS = {
    "idle": [("start", ["ns_per_op"], NS),
             ("per process", ["rss_bytes_per_process", "bytes_per_process"], BYTES)],
    "fanin": OPERATION + [("peak memory", ["peak_rss"], MB)],
    "pipeline": OPERATION + [("peak memory", ["peak_rss"], MB)],
    "timers": [("start", ["start_ns"], NS), ("cancel", ["cancel_ns"], NS),
               ("per timer", ["bytes_per_timer"], BYTES)],
    "lateness": [("p50", ["timer_p50_us"], US), ("p99", ["timer_p99_us"], US),
                 ("p99.9", ["timer_p999_us"], US)],
    "fairness": [("trip p50", ["trip_p50_us"], US), ("trip p99", ["trip_p99_us"], US),
                 ("trip max", ["trip_max_us"], US), ("timer p50", ["timer_p50_us"], US),
                 ("timer p99", ["timer_p99_us"], US), ("timer max", ["timer_max_us"], US)],
}


def main():
    args = arguments()
    if args.from_file:
        with open(args.from_file) as file:
            lines = [json.loads(line) for line in file if line.strip()]
        facts = [line["facts"] for line in lines if "facts" in line]
        lines = [line for line in lines if "facts" not in line]
    else:
        facts = [machine(args.beam)]
        lines = measure(args, facts[0])
    for fact in facts:
        print(fact, end="\n\n")
    print(table(lines))


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    listed = lambda text: [word for word in text.split(",") if word]
    parser.add_argument("--peers", type=listed, default=PEERS,
                        help="comma separated; default: " + ",".join(PEERS))
    parser.add_argument("--workloads", type=listed, default=WORKLOADS,
                        help="comma separated; default: " + ",".join(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--beam", metavar="DIR", help="also run the BEAM, with DIR/run.sh")
    parser.add_argument("--n", action="append", default=[], metavar="WORKLOAD=N",
                        help="another size for a workload; may be repeated")
    parser.add_argument("--seconds", type=int, default=5, help="for fairness and lateness")
    parser.add_argument("--workers", type=int, help="worker threads; default: cores")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for one run")
    parser.add_argument("--binary", help="hammerbeam-bench; default: build it")
    parser.add_argument("--out", default="compare.jsonl", help="where the lines go")
    parser.add_argument("--from", dest="from_file", metavar="FILE",
                        help="run nothing, print the table of these lines")
    args = parser.parse_args()
    args.n = dict(pair.split("=", 1) for pair in args.n)
    for workload in args.workloads:
        if workload.split(":")[0] not in {known.split(":")[0] for known in WORKLOADS}:
            parser.error(f"unknown workload {workload}")
    return args


def measure(args, facts):
    """All rounds; returns the lines and writes each as it comes."""
    binary = args.binary or build()
    lines = []
    with open(args.out, "w") as out:
        out.write(json.dumps({"facts": facts}) + "\n")
        for number in range(1, args.rounds + 1):
            for workload in args.workloads:
                for peer in args.peers + ([BEAM] if args.beam else []):
                    command = command_for(args, binary, peer, workload)
                    if command is None:
                        continue
                    print(f"round {number}/{args.rounds} {workload} {peer}",
                          file=sys.stderr, flush=True)
                    line = run(command, args)
                    line |= {"peer": peer, "row": workload, "round": number}
                    out.write(json.dumps(line) + "\n")
                    out.flush()
                    lines.append(line)
    return lines


def command_for(args, binary, peer, workload):
    name, _, hogs = workload.partition(":")
    if peer == BEAM:
        script = [os.path.join(args.beam, "run.sh"), "-r", "1", "-t", "1"]
        if name == "fairness":
            return script + [f"fair:{hogs or 4}:{args.seconds}:loop"]
        return script + [name] if name in ON_THE_BEAM and name not in args.n else None
    command = [binary, "--json", "--peer", peer, name, "--seconds", str(args.seconds)]
    if hogs:
        command += ["--hogs", hogs]
    if name in args.n:
        command += ["--n", args.n[name]]
    if args.workers:
        command += ["--workers", str(args.workers)]
    return command


def run(command, args):
    """One run's line, or what went wrong."""
    env = dict(os.environ)
    if args.workers:
        env["ERL_FLAGS_EXTRA"] = f"+S {args.workers}:{args.workers}"
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=args.timeout, env=env)
    except subprocess.TimeoutExpired:
        return {"failed": f"longer than {args.timeout:g} s"}
    # The exit code alone is no failure: run.sh's also says that others disturbed the run.
    try:
        return json.loads(done.stdout.strip().rpartition("\n")[2])
    except ValueError:
        print("\n".join(done.stderr.strip().splitlines()[-5:]), file=sys.stderr)
        return {"failed": f"exit code {done.returncode}"}


def build():
    subprocess.run(["cargo", "build", "--release", "--quiet",
                    "--manifest-path", os.path.join(HERE, "Cargo.toml")], check=True)
    return os.path.join(metadata()["target_directory"], "release", "hammerbeam-bench")


def metadata():
    text = output("cargo", "metadata", "--format-version", "1",
                  "--manifest-path", os.path.join(HERE, "Cargo.toml"))
    return json.loads(text) if text else {}


# ---- the machine

def machine(beam):
    """What a reader must know to judge the numbers, as a markdown list."""
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    versions = {}
    for package in metadata().get("packages", []):
        if package["name"] in CRATES:
            versions.setdefault(package["name"], package["version"])
    facts = [
        f"{date}; {os.cpu_count()} cores, {cpu()}, {memory()}",
        f"{platform.system()} {platform.release()}; {output('rustc', '--version')}",
        ", ".join(f"{name} {versions[name]}" for name in CRATES if name in versions),
    ]
    if beam and shutil.which("erl"):
        facts.append("BEAM: OTP " + output(
            "erl", "-noshell", "-eval",
            'io:format("~s, ERTS ~s", [erlang:system_info(otp_release),'
            " erlang:system_info(version)]), halt()."))
    return "\n".join(f"* {fact}" for fact in facts if fact)


def cpu():
    with open("/proc/cpuinfo") as file:
        fields = dict(line.split(":", 1) for line in file if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    virtual = " (virtual)" if "hypervisor" in fields.get("flags", "").split() else ""
    return fields.get("model name", "unknown CPU") + virtual


def memory():
    with open("/proc/meminfo") as file:
        kilobytes = int(file.readline().split()[1])
    return f"{kilobytes / 2**20:.0f} GiB"


def output(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


# ---- the table

def table(lines):
    """Medians with spread, and the first peer's median as a share of each other's."""
    peers = ordered(line["peer"] for line in lines)
    if "hammerbeam" in peers:
        peers.insert(0, peers.pop(peers.index("hammerbeam")))
    base, others = peers[0], peers[1:]
    head = ["workload", "", base] + [
        cell for peer in others for cell in (peer, f"{base} / {peer}")]
    rows = [head, ["---"] * 2 + ["---:"] * (len(head) - 2)]
    for workload in ordered(line["row"] for line in lines):
        metrics = METRICS.get(workload.split(":")[0], OPERATION)
        for caption, keys, (unit, scale) in metrics:
            runs = {peer: [line for line in lines
                           if line["peer"] == peer and line["row"] == workload]
                    for peer in peers}
            values = {peer: [v * scale for v in map(pick(keys), runs[peer]) if v is not None]
                      for peer in peers}
            row = [workload, f"{caption}, {unit}", cell(runs[base], values[base])]
            for peer in others:
                row += [cell(runs[peer], values[peer]), ratio(values[base], values[peer])]
            rows.append(row)
    text = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    rounds = max((line["round"] for line in lines), default=0)
    # The kernel counts in hundredths of a second, too coarse for a short run.
    long = [line for line in lines if line.get("seconds", 0) >= 0.2]
    disturbed = sum(line.get("others_cores", 0) > QUIET for line in long)
    return (text + f"\n\nMedians of {rounds} rounds (smallest–largest). Ratios are of medians;"
            f" below 1, {base} is faster or smaller.\nDuring {disturbed} of the {len(long)} runs"
            f" of 0.2 s or more, other programs kept more than {QUIET} cores busy.")


def ordered(words):
    return list(dict.fromkeys(words))


def pick(keys):
    return lambda line: next((line[key] for key in keys if line.get(key) is not None), None)


def cell(runs, values):
    """A median with its spread, and how many runs gave none."""
    if not runs:
        return "–"
    starved = sum(line.get("starved") is True for line in runs)
    failed = sum("failed" in line for line in runs)
    notes = [f"{count} of {len(runs)} {what}"
             for count, what in ((starved, "starved"), (failed, "failed")) if count]
    if not values:
        return ", ".join(notes) or "–"
    text = f"{short(statistics.median(values))} ({short(min(values))}–{short(max(values))})"
    return "; ".join([text] + notes)


def ratio(base, other):
    if not base or not other or statistics.median(other) == 0:
        return "–"
    return f"{statistics.median(base) / statistics.median(other):.2f}"


def short(value):
    """Three digits that mean something."""
    if abs(value) >= 100:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


if __name__ == "__main__":
    main()
