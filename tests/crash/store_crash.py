#!/usr/bin/env python3
"""Kill, fail and cut the power of the store's writer, then check every promise.

usage: store_crash.py BUILD/crash [--rounds N] [--seed N] [--calls N] [--each]

Cases (each prints one line; the sum comes last):
  kill       kill -9 at a random instant, reopen, check
  cut        kill -9, then the power cut: what was not synced is dropped or torn
  reopen-cut kill -9, reopen and read, then the power cut: what the reopened
             store showed must survive
  sync-kill  die at the n-th sync call itself, then the power cut
  fail       the n-th write, sync, rename, truncate, open or map fails with EIO;
             reopen, check
  full       the disk is full from the n-th write on; reopen, check
  planted    syncs that lie must be found: proves that the test can fail
"""
import argparse, os, random, shutil, signal, subprocess, sys, tempfile, time

args = argparse.ArgumentParser()
args.add_argument("crash")
args.add_argument("--rounds", type=int, default=6)
args.add_argument("--seed", type=int, default=1)
args.add_argument("--calls", type=int, default=6)
args.add_argument("--each", action="store_true", help="fail every call in turn, not a sample of --calls")
args = args.parse_args()
rng = random.Random(args.seed)
writer = os.path.join(args.crash, "store_writer")
passed = failed = 0


class Place:
    """A store folder, its journal folder and the promises made so far."""

    def __init__(self):
        self.top = tempfile.mkdtemp(prefix="tarn-crash-")
        self.data, self.journal = self.top + "/data", self.top + "/journal"
        self.promises = self.top + "/promises"
        os.mkdir(self.journal)
        self.next = 1

    def env(self, **more):
        env = dict(os.environ, LD_PRELOAD=os.path.abspath(args.crash + "/shim.so"),
                   TARN_SHIM_ROOT=self.data, TARN_SHIM_JOURNAL=self.journal)
        env.update(more)
        return env

    def write(self, seconds=None, commits=100000, **more):
        """Run the writer; kill it after `seconds`. Its promises are kept."""
        with open(self.promises, "a") as out:
            p = subprocess.Popen([writer, "write", self.data, str(self.next), str(self.next + commits - 1)],
                                 stdout=out, stderr=subprocess.DEVNULL, env=self.env(**more))
            try:
                status = p.wait(timeout=seconds if seconds else 120)
            except subprocess.TimeoutExpired:
                p.send_signal(signal.SIGKILL)
                status = p.wait()
        acks = [int(l.split()[1]) for l in open(self.promises) if l.startswith("ack") and l.endswith("\n")]
        self.next = max(acks, default=0) + 3
        return status

    def cut(self, how):
        subprocess.run([args.crash + "/powercut", self.journal, self.data, how, str(rng.randrange(1 << 30))],
                       check=True, stdout=subprocess.DEVNULL)

    def verify(self, shim=False):
        p = subprocess.run([writer, "verify", self.data, self.promises], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, env=self.env() if shim else None)
        return p.returncode, p.stdout.strip()

    def forget(self):
        shutil.rmtree(self.top)


def judge(name, place, status, text, expect_ok=True):
    global passed, failed
    ok = (status == 0) == expect_ok
    passed, failed = passed + ok, failed + (not ok)
    print(f"{'ok' if ok else 'FAILED':7}{name}: {text.splitlines()[-1] if text else status}", flush=True)
    if ok:
        place.forget()
    else:
        print(f"        kept: {place.top}\n        " + text.replace("\n", "\n        "))


def killed_writer(low=0.05, high=0.9, **more):
    place = Place()
    place.write(seconds=rng.uniform(low, high), **more)
    return place


for i in range(args.rounds):
    place = killed_writer()
    judge(f"kill {i}", place, *place.verify())
for i in range(args.rounds):
    how = "drop" if i % 2 else "tear"
    place = killed_writer()
    place.cut(how)
    for again in range(2):  # and once more over what recovery left
        place.write(seconds=rng.uniform(0.05, 0.4))
        place.cut(how)
    judge(f"cut {i} ({how})", place, *place.verify())
for i in range(args.rounds):
    place = killed_writer()
    status, text = place.verify(shim=True)
    if status == 0:
        words = text.splitlines()[-1].replace(",", "").split()
        with open(place.promises, "a") as out:  # what the reopened store showed is a promise
            out.write(f"saw {words[words.index('counter') + 1]}\n")
        place.cut("drop")
        status, text = place.verify()
    judge(f"reopen-cut {i}", place, status, text)
for i in range(args.calls):
    call, n = rng.choice(["fdatasync", "fsync"]), rng.randrange(2, 60)
    place = Place()
    place.write(commits=150, TARN_SHIM_FAIL=f"{call}:{n}:KILL")
    place.cut("drop")
    judge(f"sync-kill {call} {n}", place, *place.verify())

place = Place()
place.write(commits=60, TARN_SHIM_COUNTS=place.top + "/counts")
counts = dict(l.split() for l in open(place.top + "/counts"))
judge("untouched", place, *place.verify())
for call in ["write", "fsync", "fdatasync", "rename", "ftruncate", "open", "mmap"]:
    total = int(counts[call])
    if not total:
        continue
    chosen = range(1, total + 1) if args.each or total <= args.calls else sorted(rng.sample(range(1, total + 1), args.calls))
    for n in chosen:
        place = Place()
        place.write(commits=60, TARN_SHIM_FAIL=f"{call}:{n}:EIO")
        place.cut("drop")
        judge(f"fail {call} {n} of {total}", place, *place.verify())
for n in sorted(rng.sample(range(1, int(counts["write"])), args.calls)):
    place = Place()
    place.write(commits=60, TARN_SHIM_FAIL=f"write:{n}+:ENOSPC")
    judge(f"full from write {n}", place, *place.verify())

place = killed_writer(low=0.6, high=0.9, TARN_SHIM_LIE="fdatasync,fsync")
place.cut("drop")
judge("planted: a sync that lies is found", place, *place.verify(), expect_ok=False)

print(f"crash: {passed} passed, {failed} failed, 0 skipped (seed {args.seed})")
sys.exit(1 if failed else 0)
