#!/usr/bin/env python3
"""observations.py - first pages over many Observations, through HTTP.

usage: python3 bench/observations.py BUILD [--count 10000000] [--keep FOLDER]

bench/observations.c fills a data folder and counts in it; then `tarn serve` is asked for first pages of 20,
one client, another value each time: p50 and p99, processor time of the server an answer, its memory, and
bytes a resource on disk. --keep: the data stays in this folder and is not loaded again.
"""
import argparse, http.client, os, random, shutil, signal, socket, subprocess, tempfile, time

args = argparse.ArgumentParser()
args.add_argument("build")
args.add_argument("--count", type=int, default=10_000_000)
args.add_argument("--keep")
args.add_argument("--only", default="", help="shapes whose name has this text; nothing is counted")
args = args.parse_args()
ID = "0123456789abcdef0123456789abcdef"
BASE = f"/datastore/{ID}/r4"
random.seed(1)


def code():
    return f"http://loinc.org%7Ccode{random.randrange(20)}"


def day():
    return f"{random.randrange(2006, 2024)}-{random.randrange(1, 13):02}-{random.randrange(1, 28):02}"


SHAPES = [
    ("code and value", lambda: f"code-value-quantity={code()}%24{random.randrange(1000) / 10}"),
    ("code and value range", lambda: f"code-value-quantity={code()}%24gt{random.randrange(900) / 10}"),
    ("code and value, two parameters", lambda: f"code={code()}&value-quantity={random.randrange(1000) / 10}"),
    ("code and day", lambda: f"code={code()}&date={day()}"),
    ("code and year", lambda: f"code={code()}&date={random.randrange(2006, 2024)}"),
    ("code and from a day on", lambda: f"code={code()}&date=ge{day()}"),
    ("_sort=date", lambda: "_sort=date"),
    ("_sort=-date", lambda: "_sort=-date"),
    ("code, _sort=-date", lambda: f"code={code()}&_sort=-date"),
    ("patient, _sort=-date", lambda: f"patient=Patient/p{random.randrange(args.count // 60)}&_sort=-date"),
    ("two terms of 5 %", lambda: f"code={code()}&performer=Practitioner/d{random.randrange(20)}"),
    ("two years of 5 %", lambda: f"date={random.randrange(2006, 2024)}&value-date=2023"),
    ("count of a code", lambda: f"code={code()}&_summary=count"),
]


def serve(folder):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    process = subprocess.Popen([args.build + "/tarn", "serve", "--data", folder, "--no-auth", "--datastore-id", ID,
                                "--listen", f"127.0.0.1:{port}"], stdout=subprocess.PIPE, text=True)
    while not process.stdout.readline().startswith("data store"):
        if process.poll() is not None:
            raise SystemExit("observations: the store did not start")
    return process, port


def end(process):
    process.send_signal(signal.SIGTERM)
    process.wait()


def processor_us(process):
    total = 0
    for task in os.listdir(f"/proc/{process.pid}/task"):
        with open(f"/proc/{process.pid}/task/{task}/schedstat") as stat:
            total += int(stat.read().split()[0])
    return total / 1000


def ask(process, port, name, make):
    connection, times, before = http.client.HTTPConnection("127.0.0.1", port, timeout=60), [], 0
    for i in range(203):
        if i == 3:
            before = processor_us(process)
        begun = time.perf_counter()
        connection.request("GET", f"{BASE}/Observation?_count=20&{make()}")
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"observations: {name}: {answer.status} {body[:300]}")
        if i >= 3:
            times.append((time.perf_counter() - begun) * 1e3)
        if sum(times) > 3000:
            break
    used = (processor_us(process) - before) / len(times)
    times.sort()
    print(f"{name:<36}{times[len(times) // 2]:>10.2f}{times[len(times) * 99 // 100]:>10.2f}{used:>12,.0f}", flush=True)


def memory_mb(process, field):
    with open(f"/proc/{process.pid}/status") as status:
        return [int(line.split()[1]) / 1024 for line in status if line.startswith(field)][0]


def bytes_below(folder):
    return sum(os.stat(os.path.join(at, name)).st_blocks * 512 for at, _, names in os.walk(folder) for name in names)


place = args.keep or tempfile.mkdtemp(prefix="observations-", dir=args.build)
try:
    if not os.path.exists(place + "/tarn.json"):
        end(serve(place)[0])
    if not args.only:
        subprocess.run([args.build + "/bench/observations", place, str(args.count)], check=True)
    store = f"{place}/datastores/{ID}"
    print(f"bytes a resource: {bytes_below(store + '/truth') / args.count:.0f} and index "
          f"{bytes_below(store + '/index') / args.count:.0f}")
    for name in os.listdir(store + "/truth"):  # into the page cache, as after a while of use
        with open(f"{store}/truth/{name}", "rb") as file:
            while file.read(1 << 20):
                pass
    process, port = serve(place)
    print(f"{'first page of 20':<36}{'p50 ms':>10}{'p99 ms':>10}{'cpu us':>12}")
    for name, make in (shape for shape in SHAPES if args.only in shape[0]):
        ask(process, port, name, make)
    print(f"memory of the server {memory_mb(process, 'RssAnon'):.0f} MB, and {memory_mb(process, 'RssFile'):.0f} MB "
          "of the page cache")
    end(process)
finally:
    if not args.keep:
        shutil.rmtree(place, ignore_errors=True)
