"""large.py - do large transactions stall small writes?

usage: python3 bench/large.py BUILD [--entries 10000] [--pause 0] [--seconds 8] [--rate 100]

A store of its own. Clients PUT small resources at a steady rate, first alone, then
beside one that sends transactions of so many entries one after another, with a pause
between. A write's time counts from when it was due, so that one that waits is not
made better by those that it keeps from being sent. Ends with status 1 when the p99
beside passes both 1.5 times the one alone and 150 ms.
"""
import argparse
import http.client
import json
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

ID = "0" * 32
BASE = f"/datastore/{ID}/r4"
SMALL = {"resourceType": "Observation", "id": "@ID@", "status": "final",
         "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4", "display": "Heart rate"}]},
         "subject": {"reference": "Patient/p1"}, "effectiveDateTime": "2026-01-01T12:00:00Z",
         "valueQuantity": {"value": 60, "unit": "/min", "system": "http://unitsofmeasure.org", "code": "/min"}}
LIMIT_MS = 150


def transaction(count):
    entries = []
    for i in range(count):
        at = i * 7919 % 1000003  # in no order, as ids of a real source
        resource = dict(SMALL, id=f"{at}-@ROUND@", subject={"reference": f"Patient/p{at % 500}"})
        entries.append({"resource": resource, "request": {"method": "PUT", "url": f"Observation/{resource['id']}"}})
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}).encode()


def start(tarn, data):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    process = subprocess.Popen([tarn, "serve", "--data", data, "--no-auth", "--datastore-id", ID,
                                "--listen", f"127.0.0.1:{port}"], stdout=subprocess.PIPE, text=True)
    while not process.stdout.readline().startswith("data store"):
        if process.poll() is not None:
            raise SystemExit("large: the store did not start")
    return process, port


def write_paced(port, number, args, begun, waits):
    """One small write each 1/rate s, due at its time whether the one before is answered or not."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    step = args.clients / args.rate
    for i in range(int(args.seconds / step)):
        due = begun + number * step / args.clients + i * step
        time.sleep(max(0, due - time.monotonic()))
        body = json.dumps(SMALL).replace("@ID@", f"s{number}-{i}")
        connection.request("PUT", f"{BASE}/Observation/s{number}-{i}", body, {"content-type": "application/fhir+json"})
        answer = connection.getresponse()
        answer.read()
        waits.append((time.monotonic() - due) * 1000 if answer.status in (200, 201) else float("inf"))


def small_writes(args, port, what):
    waits, begun = [], time.monotonic() + 0.05
    clients = [threading.Thread(target=write_paced, args=(port, n, args, begun, waits)) for n in range(args.clients)]
    for c in clients:
        c.start()
    for c in clients:
        c.join()
    waits.sort()
    p50, p99 = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
    print(f"{what:<28}{len(waits):>6} writes   p50 {p50:6.1f} ms   p99 {p99:6.1f} ms   longest {waits[-1]:6.1f} ms",
          flush=True)
    return p99


def send_large(args, port, is_over, took):
    number = 0
    while not is_over.is_set():
        body = large.replace(b"@ROUND@", b"%d" % number)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        begun = time.monotonic()
        connection.request("POST", BASE, body, {"content-type": "application/fhir+json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            print(f"large: a transaction failed: {answer.status} {text[:300]}")
            return
        took.append(time.monotonic() - begun)
        number += 1
        time.sleep(args.pause)


parser = argparse.ArgumentParser()
parser.add_argument("build")
parser.add_argument("--entries", type=int, default=10000)
parser.add_argument("--seconds", type=int, default=8)
parser.add_argument("--pause", type=float, default=0)
parser.add_argument("--rate", type=float, default=100)
parser.add_argument("--clients", type=int, default=4)
args = parser.parse_args()
place = tempfile.mkdtemp(prefix="large-", dir=args.build)
process, port = start(f"{args.build}/tarn", place + "/data")
large = transaction(args.entries)
try:
    alone = small_writes(args, port, "small writes alone")
    is_over, took = threading.Event(), []
    sender = threading.Thread(target=send_large, args=(args, port, is_over, took))
    sender.start()
    beside = small_writes(args, port, "beside large transactions")
    is_over.set()
    sender.join()
    if not took:
        raise SystemExit(1)
    took.sort()
    print(f"{len(took)} transactions of {args.entries:,} entries, {len(large) / 1e6:.1f} MB: median "
          f"{took[len(took) // 2] * 1000:,.0f} ms; p99 of small writes {beside / alone:.1f} times that alone")
    if beside > 1.5 * alone and beside > LIMIT_MS:
        raise SystemExit(f"large: the p99 beside passes {LIMIT_MS} ms")
finally:
    process.send_signal(signal.SIGTERM)
    process.wait()
    shutil.rmtree(place, ignore_errors=True)
