#!/usr/bin/env python3
"""kill -9 the store again and again while members are synced into it.

usage: kill_sync.py BUILD/tarn [--kills N] [--seed N]

A sandbox serves generated members; `tarn sync` brings them in, again and again;
beside it this script posts transactions of its own, each of which tags its
resources. At a random instant the store gets SIGKILL and is started again on
the same port. After every restart: each acknowledged transaction is whole, each
other one whole or absent, by read and by search. At the end sync must finish
with exit status 0, and once more with nothing left to create.
"""
import argparse, http.client, json, os, random, shutil, signal, subprocess, sys, tempfile
import threading, time

from killed_store import BASE, KilledStore

args = argparse.ArgumentParser()
args.add_argument("tarn")
args.add_argument("--kills", type=int, default=50)
args.add_argument("--seed", type=int, default=1)
args = args.parse_args()
rng = random.Random(args.seed)
top = tempfile.mkdtemp(prefix="tarn-kills-")
ENTRIES, TAG = 15, "https://tarn.example/transaction"
passed = failed = 0
place = KilledStore(args.tarn, top)
start_store, port, errors = place.start, place.port, place.errors


def ask(method, path, body=None):
    status, _, answer = place.ask(method, path, body)
    return status, answer


acked, tried, stopping, lock = set(), set(), threading.Event(), threading.Lock()


def transaction(n):
    tag = [{"system": TAG, "code": str(n)}]
    entries = [{"resource": {"resourceType": "Basic", "id": f"t{n}-{i}", "meta": {"tag": tag},
                             "code": {"text": f"entry {i} of {n}"}},
                "request": {"method": "PUT", "url": f"Basic/t{n}-{i}"}} for i in range(ENTRIES)]
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})


def post_for_ever(first):
    n = first
    while not stopping.is_set():
        with lock:
            tried.add(n)
        try:
            status, _ = ask("POST", "", transaction(n))
            if status == 200:
                with lock:
                    acked.add(n)
        except (OSError, http.client.HTTPException, ValueError):
            time.sleep(0.02)
        n += 2


def count_of(n):
    _, found = ask("GET", f"/Basic?_tag={TAG}%7C{n}&_total=accurate&_count=100")
    ids = {e["resource"]["id"] for e in found.get("entry", [])}
    read = sum(ask("GET", f"/Basic/t{n}-{i}")[0] == 200 for i in (0, ENTRIES - 1))
    return len(ids), found["total"], read


def check(names, must):
    """What is wrong with these transactions; None when nothing is."""
    for n in names:
        found, total, read = count_of(n)
        if (found, total, read) not in ([(ENTRIES, ENTRIES, 2)] if must else [(ENTRIES, ENTRIES, 2), (0, 0, 0)]):
            return f"transaction {n}{' (acknowledged)' if must else ''}: {found} found, total {total}, {read} of 2 read"
    return None


def judge(name, complaint):
    global passed, failed
    passed, failed = passed + (complaint is None), failed + (complaint is not None)
    print(f"{'ok' if complaint is None else 'FAILED':7}{name}{': ' + complaint if complaint else ''}", flush=True)


def sync(wait):
    env = dict(os.environ, HEALTHLAKE_ENDPOINT=f"http://127.0.0.1:{port}{BASE}", FLEXPA_API_BASE=sandbox_base)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        env.pop(name, None)
    p = subprocess.Popen([args.tarn, "sync", "--consents", top + "/consents", "--json"], env=env,
                         stdout=open(top + "/report", "w"), stderr=errors)
    return p.wait() if wait else p


sandbox = subprocess.Popen([args.tarn, "sandbox", "--listen", "127.0.0.1:0", "--consents-file", top + "/consents",
                            "--seed", str(args.seed)], stdout=subprocess.PIPE, stderr=errors, text=True)
for line in sandbox.stdout:
    if "listening on http" in line:
        sandbox_base = line.split("listening on ")[1].split()[0]
        break
threading.Thread(target=sandbox.stdout.read, daemon=True).start()

store = start_store()
posters = [threading.Thread(target=post_for_ever, args=(k,), daemon=True) for k in (1, 2)]
for p in posters:
    p.start()
syncing = sync(wait=False)
for kill in range(args.kills):
    time.sleep(rng.uniform(0.02, 0.5))
    if syncing.poll() is not None:
        syncing = sync(wait=False)
    store.send_signal(signal.SIGKILL)
    store.wait()
    with lock:
        sure, unsure = sorted(acked), sorted(tried - acked)
    store = start_store()
    sample = sure[-15:] + rng.sample(sure[:-15], min(10, max(0, len(sure) - 15)))
    judge(f"kill {kill}: {len(sure)} acknowledged, {len(unsure)} not",
          check(sample, True) or check(unsure[-6:-2], False))
stopping.set()
for p in posters:
    p.join()
syncing.wait()
judge("every acknowledged transaction of the whole run is there", check(sorted(acked), True))
judge("sync finishes the job", None if sync(wait=True) == 0 else f"exit status, see {top}/errors")
judge("and once more", None if sync(wait=True) == 0 else f"exit status, see {top}/errors")
again = json.load(open(top + "/report"))
created = sum(c.get("created", 0) for c in again.get("consents", []))
judge("with nothing left to create", None if created == 0 and again.get("consents") else f"{created} created")
for p in (store, sandbox):
    p.send_signal(signal.SIGTERM)
    p.wait()
if not failed:
    shutil.rmtree(top)
print(f"kills: {passed} passed, {failed} failed, 0 skipped (seed {args.seed})")
sys.exit(1 if failed else 0)
