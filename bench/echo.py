#!/usr/bin/env python3
"""Drives echo servers with a load generator in interleaved rounds, and prints a table.

  echo.py --netload PATH --server NAME=COMMAND [--server NAME=COMMAND ...]
          [--load 'NAME=FLAGS' ...] [--rounds 5] [--out FILE]

COMMAND starts a server that prints the line "ready" when it listens; {addr} in it
becomes 127.0.0.1:PORT and {port} the port, a fresh one for each run, e.g.

  --server 'tokio=hammerbeam-bench --peer tokio echo --addr {addr}'

Every run takes a fresh server. netload must take --addr, --server-pid and the
flags of the loads, and print one JSON object. The first server is the one that
the others are compared with.
"""
import argparse
import json
import select
import shlex
import socket
import statistics
import subprocess
import sys
import time

LOADS = {
    "100 connections, 64 B": "--conns 100 --size 64",
    "100 connections, 64 B, 16 in flight": "--conns 100 --size 64 --pipeline 16",
    "50 connections, 64 KiB": "--conns 50 --size 65536",
    "connect, 32 B, close": "--mode connect --conns 100",
}
# What the table shows: a caption, the path in netload's report, digits.
COLUMNS = [
    ("requests/s", ["requests_per_s"], 0),
    ("p50, µs", ["latency_us", "p50"], 0),
    ("p99, µs", ["latency_us", "p99"], 0),
    ("server CPU, µs/request", ["server_cpu_us_per_req"], 2),
]
READY_WITHIN = 20.0


def main():
    args = arguments()
    lines = []
    with open(args.out, "w") as out:
        for number in range(1, args.rounds + 1):
            for load, flags in args.load.items():
                for name, command in args.server.items():
                    print(f"round {number}/{args.rounds} {load}: {name}",
                          file=sys.stderr, flush=True)
                    line = {"server": name, "load": load, "round": number}
                    line |= run(args, command, flags)
                    out.write(json.dumps(line) + "\n")
                    out.flush()
                    lines.append(line)
    for load in args.load:
        print(f"### {load}\n\n{table([l for l in lines if l['load'] == load], args.server)}\n")
    print(f"Medians of {args.rounds} rounds (smallest–largest), and the share of"
          f" {next(iter(args.server))}'s median.")


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--netload", required=True, help="the load generator")
    parser.add_argument("--server", action="append", required=True, metavar="NAME=COMMAND")
    parser.add_argument("--load", action="append", metavar="NAME=FLAGS",
                        help="flags for netload; default: " + "; ".join(LOADS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration", type=float, default=4, help="measured seconds")
    parser.add_argument("--warmup", type=float, default=1, help="seconds before")
    parser.add_argument("--out", default="echo.jsonl", help="where netload's lines go")
    args = parser.parse_args()
    args.server = dict(pair.split("=", 1) for pair in args.server)
    args.load = dict(pair.split("=", 1) for pair in args.load) if args.load else LOADS
    return args


def run(args, command, flags):
    """A fresh server under load: netload's report, or what went wrong."""
    port = free_port()
    words = [word.replace("{addr}", f"127.0.0.1:{port}").replace("{port}", str(port))
             for word in shlex.split(command)]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        if not is_ready(server):
            return {"failed": f"not ready within {READY_WITHIN:g} s"}
        load = [args.netload, "--addr", f"127.0.0.1:{port}", "--server-pid", str(server.pid),
                "--duration", str(args.duration), "--warmup", str(args.warmup)]
        done = subprocess.run(load + shlex.split(flags), stdout=subprocess.PIPE, text=True,
                              timeout=args.duration + args.warmup + 60)
        if done.returncode != 0:
            return {"failed": f"netload's exit code {done.returncode}"}
        return json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return {"failed": "netload did not end"}
    finally:
        end(server)


def free_port():
    """A port of the kernel's choice. Another program could take it before the server does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_ready(server):
    until = time.monotonic() + READY_WITHIN
    while (left := until - time.monotonic()) > 0:
        if not select.select([server.stdout], [], [], left)[0]:
            return False
        line = server.stdout.readline()
        if not line:
            return False
        if line.strip() == "ready":
            return True
    return False


def end(server):
    server.terminate()
    try:
        server.wait(5)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    server.stdout.close()


def table(lines, servers):
    rows = [["server"] + [caption for caption, _, _ in COLUMNS],
            ["---"] + ["---:"] * len(COLUMNS)]
    first = None
    for name in servers:
        runs = [line for line in lines if line["server"] == name]
        values = [[v for v in (look_up(line, path) for line in runs) if v is not None]
                  for _, path, _ in COLUMNS]
        first = first or values
        failed = sum("failed" in line for line in runs)
        row = [name + (f" ({failed} of {len(runs)} failed)" if failed else "")]
        for (_, _, digits), own, base in zip(COLUMNS, values, first):
            row.append(cell(own, base, digits))
        rows.append(row)
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def look_up(line, path):
    for key in path:
        line = line.get(key) if isinstance(line, dict) else None
    return line


def cell(values, base, digits):
    if not values:
        return "–"
    show = lambda value: f"{value:,.{digits}f}".replace(",", " ")
    median = statistics.median(values)
    text = f"{show(median)} ({show(min(values))}–{show(max(values))})"
    if values is base or not base or statistics.median(base) == 0:
        return text
    return f"{text}, {median / statistics.median(base):.2f}"


if __name__ == "__main__":
    main()
