#!/usr/bin/env python3
"""Kill, fail and cut the power of the store's writer, then check every promise.

usage: store_crash.py BUILD/crash [--rounds N] [--seed N] [--calls N] [--each]
                      [--part plain | rewrite | while | recover]

Cases (each prints one line; the sum comes last):
  kill       kill -9 at a random instant, reopen, check
  cut        kill -9, then the power cut: what was not synced is dropped or torn
  reopen-cut kill -9, reopen and read, then the power cut: what the reopened
             store showed must survive
  sync-kill  die at the n-th sync call itself, then the power cut
  fail       the n-th write, sync, rename, truncate, open or map fails with EIO;
             reopen, check
  full       the disk is full from the n-th write on; reopen, check
  rewrite... the same cases while the index is written again: rules of fields
             change, fields and the whole index are derived again, segments are
             spoilt; what is found meanwhile must be right or refused
  for a while  the disk is full for some of the index's writes, or gives errors for
             its segments: the store goes on by itself
  recover    a store killed like that (then half of them cut) is opened again, and
             the n-th call of that fails, or kills it; then the power cut; it may
             refuse, never say what is wrong; opening it once more must be right
  planted    syncs that lie must be found: proves that the test can fail
"""
import argparse, os, random, shutil, signal, subprocess, sys, tempfile, time

args = argparse.ArgumentParser()
args.add_argument("crash")
args.add_argument("--rounds", type=int, default=6)
args.add_argument("--seed", type=int, default=1)
args.add_argument("--calls", type=int, default=6)
args.add_argument("--each", action="store_true", help="fail every call in turn, not a sample of --calls")
args.add_argument("--part", help="these cases alone")
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
        self.complaint = None  # of a writer that saw something wrong, or crashed

    def env(self, **more):
        env = dict(os.environ, LD_PRELOAD=os.path.abspath(args.crash + "/shim.so"),
                   TARN_SHIM_ROOT=self.data, TARN_SHIM_JOURNAL=self.journal)
        env.update(more)
        return env

    def write(self, seconds=None, commits=100000, verb="write", **more):
        """Run the writer; kill it after `seconds`. Its promises are kept."""
        with open(self.promises, "a") as out, open(self.top + "/errors", "w") as errors:
            p = subprocess.Popen([writer, verb, self.data, str(self.next), str(self.next + commits - 1)],
                                 stdout=out, stderr=errors, env=self.env(**more))
            try:
                status = p.wait(timeout=seconds if seconds else 120)
            except subprocess.TimeoutExpired:
                p.send_signal(signal.SIGKILL)
                status = p.wait()
        acks = [int(l.split()[1]) for l in open(self.promises) if l.startswith("ack") and l.endswith("\n")]
        self.next = max(acks, default=0) + 3
        if status not in (0, 3, -signal.SIGKILL):
            self.complaint = f"the writer ended with {status}: " + open(self.top + "/errors").read().strip()
        return status

    def cut(self, how):
        subprocess.run([args.crash + "/powercut", self.journal, self.data, how, str(rng.randrange(1 << 30))],
                       check=True, stdout=subprocess.DEVNULL)

    def verify(self, shim=False):
        if self.complaint:
            return 1, self.complaint
        p = subprocess.run([writer, "verify", self.data, self.promises], stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL, text=True, env=self.env() if shim else None)
        return p.returncode, p.stdout.strip()

    def recover(self, **more):
        """Open it while calls fail: right, refused or killed, nothing else."""
        try:
            p = subprocess.run([writer, "recover", self.data, self.promises], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True, env=self.env(**more), timeout=90)
            status, text = p.returncode, p.stdout.strip()
        except subprocess.TimeoutExpired:
            status, text = 1, "it hangs"
        if status not in (0, 3, -signal.SIGKILL):
            self.complaint = self.complaint or f"recovering ended with {status}: {text}"

    def copy(self):
        """The same store once more, as one that was cut: nothing of it is undone any more."""
        other = Place()
        shutil.copytree(self.data, other.data)
        if os.path.exists(self.promises):
            shutil.copy(self.promises, other.promises)
        other.next, other.complaint = self.next, self.complaint
        return other

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


CALLS = ["write", "fsync", "fdatasync", "rename", "ftruncate", "open", "mmap"]


def counts_of(path):
    return {call: int(n) for call, n in (l.split() for l in open(path))}


def chosen(total, sample):
    """Calls 1 to total: each, or a sample."""
    if args.each or total <= sample:
        return range(1, total + 1)
    return sorted(rng.sample(range(1, total + 1), sample))


def fail_each(verb, sample):
    name = "" if verb == "write" else verb + " "
    place = Place()
    place.write(verb=verb, commits=60, TARN_SHIM_COUNTS=place.top + "/counts")
    counts = counts_of(place.top + "/counts")
    judge(f"{name}untouched", place, *place.verify())
    for call in CALLS:
        for n in chosen(counts[call], sample):
            place = Place()
            place.write(verb=verb, commits=60, TARN_SHIM_FAIL=f"{call}:{n}:EIO")
            place.cut("drop")
            judge(f"{name}fail {call} {n} of {counts[call]}", place, *place.verify())
    for n in sorted(rng.sample(range(1, counts["write"]), sample)):
        place = Place()
        place.write(verb=verb, commits=60, TARN_SHIM_FAIL=f"write:{n}+:ENOSPC")
        judge(f"{name}full from write {n}", place, *place.verify())


def plain_cases():
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
    fail_each("write", args.calls)


def rewrite_cases():
    for i in range(args.rounds):
        place = killed_writer(verb="rewrite")
        if i % 2:
            place.cut("tear" if i % 4 == 1 else "drop")
        judge(f"rewrite kill {i}{' (cut)' if i % 2 else ''}", place, *place.verify())
    fail_each("rewrite", (args.calls + 2) // 3)


totals = {}  # calls of a whole run, by verb and kind of file


def total_of(verb, call, only):
    if (verb, only) not in totals:
        place = Place()
        place.write(verb=verb, commits=60, TARN_SHIM_COUNTS=place.top + "/counts", TARN_SHIM_ONLY=only)
        totals[verb, only] = counts_of(place.top + "/counts")
        place.forget()
    return totals[verb, only][call]


def for_a_while(verb, call, only, error):
    """What fails beside the commits is tried again: nothing latches, nothing is lost."""
    total = total_of(verb, call, only)
    place = Place()
    # What fails is tried again a second later; writers wait for five before they are BUSY.
    first, width = rng.randrange(1, max(total // 2, 2)), rng.randrange(1, 4)
    status = place.write(verb=verb, commits=60, TARN_SHIM_ONLY=only,
                         TARN_SHIM_FAIL=f"{call}:{first}-{first + width}:{error}")
    # The last part of the index may meet it at closing: it is derived again then.
    errors = open(place.top + "/errors").read().strip()
    if status != 0 and errors != "writer: not closed clean":
        place.complaint = place.complaint or f"the writer ended with {status}: {errors}"
    judge(f"for a while ({verb}) {call} of {only} {first}-{first + width} of {total} {error}",
          place, *place.verify())


def while_cases():
    for _ in range((args.calls + 11) // 12):
        for verb in ["write", "rewrite"] if args.calls > 4 else ["rewrite"]:
            for_a_while(verb, "write", "/index/", "ENOSPC")
            for_a_while(verb, "write", ".seg", "EIO")
            for_a_while(verb, "fsync", ".seg", "EIO")
            for_a_while(verb, "open", ".seg", "EIO")


def recover_one(killed, how, fault):
    """What failed before the end of a recovery leaves a store that opens and is right."""
    place = killed.copy()
    place.recover(TARN_SHIM_FAIL=fault)
    place.cut("drop")
    judge(f"recover ({how}) {fault}", place, *place.verify())


def recover_each(how, sample):
    killed = killed_writer(low=0.2, high=0.9, verb="rewrite")
    if how == "cut":
        killed.cut("drop")
    place = killed.copy()
    place.recover(TARN_SHIM_COUNTS=place.top + "/counts")
    counts = counts_of(place.top + "/counts")
    judge(f"recover ({how}) untouched", place, *place.verify())
    for call in CALLS:
        for n in chosen(counts[call], sample):
            recover_one(killed, how, f"{call}:{n}:{rng.choice(['EIO', 'EIO', 'KILL'])}")
        if counts[call]:
            recover_one(killed, how, f"{call}:{rng.randrange(1, counts[call] + 1)}+:EIO")
    recover_one(killed, how, f"write:{rng.randrange(1, max(counts['write'], 2))}+:ENOSPC")
    killed.forget()


def recover_cases():
    for how in ["kill", "cut"] * max(args.rounds // 20, 1):
        recover_each(how, (args.calls + 3) // 4)


def planted_case():
    place = killed_writer(low=0.6, high=0.9, TARN_SHIM_LIE="fdatasync,fsync")
    place.cut("drop")
    judge("planted: a sync that lies is found", place, *place.verify(), expect_ok=False)


PARTS = {"plain": plain_cases, "rewrite": rewrite_cases, "while": while_cases, "recover": recover_cases}
for part in [args.part] if args.part else PARTS:
    PARTS[part]()
planted_case()

print(f"crash: {passed} passed, {failed} failed, 0 skipped (seed {args.seed})")
sys.exit(1 if failed else 0)
