#!/usr/bin/env python3
"""kill -9 the store while it does transactions that were taken for later.

usage: kill_async.py BUILD/tarn [--kills N] [--seed N]

Asynchronous transactions are submitted, each of which creates resources by POST
under a tag of its own, so that one done twice shows. At a random instant the
store gets SIGKILL and is started again. At the end each transaction that was
answered with 202 must have an answer, with 201 for each entry, and its
resources must be there exactly once, under the ids that the answer names; one
that was not acknowledged is there whole or not at all.
"""
import argparse, http.client, json, random, shutil, signal, sys, tempfile, threading, time

from killed_store import BASE, KilledStore

args = argparse.ArgumentParser()
args.add_argument("tarn")
args.add_argument("--kills", type=int, default=10)
args.add_argument("--seed", type=int, default=1)
args = args.parse_args()
rng = random.Random(args.seed)
top = tempfile.mkdtemp(prefix="tarn-kill-async-")
ENTRIES, TAG = 20, "https://tarn.example/transaction"
place = KilledStore(args.tarn, top)
start_store, ask = place.start, place.ask


def transaction(n):
    entries = [{"resource": {"resourceType": "Basic", "meta": {"tag": [{"system": TAG, "code": str(n)}]},
                             "code": {"text": f"entry {i} of {n}"}},
                "request": {"method": "POST", "url": "Basic"}} for i in range(ENTRIES)]
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})


acked, tried = {}, set()
store = start_store()
n = 0
for kill in range(args.kills):
    moment = time.monotonic() + rng.uniform(0.01, 0.4)
    threading.Timer(moment - time.monotonic(), lambda s=store: s.send_signal(signal.SIGKILL)).start()
    while store.poll() is None:
        n += 1
        tried.add(n)
        try:
            status, headers, _ = ask("POST", "/", transaction(n), prefer="respond-async")
        except (OSError, http.client.HTTPException, ValueError):
            break
        if status == 202:
            acked[n] = headers["content-location"].split(BASE)[1]
        elif status == 429:
            time.sleep(0.05)
    store.wait()
    store = start_store()

passed = failed = 0


def check(ok, what):
    global passed, failed
    passed += ok
    failed += not ok
    if not ok:
        print("FAILED", what, flush=True)


for n, path in sorted(acked.items()):
    until = time.monotonic() + 60
    status, _, body = ask("GET", path)
    while status == 202 and time.monotonic() < until:
        time.sleep(0.02)
        status, _, body = ask("GET", path)
    statuses = [e["response"]["status"] for e in body.get("entry", [])]
    named = sorted(e["response"]["location"].split("/")[1] for e in body.get("entry", []))
    _, _, page = ask("GET", f"/Basic?_tag={TAG}%7C{n}&_count=100")
    there = sorted(e["resource"]["id"] for e in page.get("entry", []))
    check(status == 200 and statuses == ["201"] * ENTRIES, f"transaction {n}: {status} {statuses}")
    check(there == named, f"transaction {n}: {len(there)} resources, {len(named)} named")
for n in sorted(tried - set(acked)):
    until = time.monotonic() + 10
    count = -1
    while count not in (0, ENTRIES) and time.monotonic() < until:
        _, _, page = ask("GET", f"/Basic?_tag={TAG}%7C{n}&_count=100")
        count = len(page.get("entry", []))
    check(count in (0, ENTRIES), f"transaction {n}, not acknowledged: {count} resources")
store.send_signal(signal.SIGTERM)
check(store.wait() == 0, "the end")
print(f"kill-async: seed {args.seed}, {args.kills} kills, {len(acked)} transactions acknowledged")
print(f"kill-async: {passed} passed, {failed} failed, 0 skipped")
shutil.rmtree(top, ignore_errors=not failed) if not failed else print(f"kept: {top}")
sys.exit(failed > 0)
