#!/usr/bin/env python3
"""The verdicts of `tarn validate` beside the official validator's.

  validator_suite.py TARN DATA [--all]      (shared/data)

Each case of suites/fhir-validator is one validation, or two: as it stands, and against
its profile. It is valid when the recorded outcome has no error. `validator-known.txt`
lists the cases whose verdicts differ, each with the reason; `validator-places.txt`
those invalid ones of which not just the same elements are named. A difference that is
not listed, or one that is listed and is no more, fails: the lists only shrink. --all
prints a line for every case.
"""
import collections
import json
import os
import re
import subprocess
import sys
import tempfile

from validator_cases import NotRun, Suite

HERE = os.path.dirname(os.path.abspath(__file__))


def plain(expression):
    expression = re.sub(r"/\*.*?\*/", "", expression)
    expression = re.sub(r"\[url='[^']*'\]", "", expression)
    return re.sub(r"\.ofType\([A-Za-z]+\)", "", expression)


def places_of(issues):
    found = set()
    for issue in issues:
        for expression in issue.get("expression", issue.get("location", []))[:1]:
            found.add(plain(expression))
    return found


def known_of(name):
    rows = {}
    for line in open(os.path.join(HERE, name), encoding="utf-8"):
        if line.strip() and not line.startswith("#"):
            case, reason = line.rstrip("\n").split("  ", 1)
            rows[case] = reason.strip()
    return rows


class Report:
    def __init__(self, all_lines):
        self.all_lines = all_lines
        self.verdicts = known_of("validator-known.txt")
        self.places = known_of("validator-places.txt")
        self.met, self.met_places = set(), set()
        self.left = collections.Counter()
        self.total = self.same = self.outside = self.failed = 0
        self.invalid = self.same_places = 0

    def say(self, line):
        if self.all_lines:
            print(line)

    def not_run(self, name, why):
        self.left[why] += 1
        self.say(f"{name}: not run: {why}")

    def differs(self, name, errors, ours):
        reason = self.verdicts.get(name)
        self.met.add(name)
        self.outside += bool(reason) and reason.startswith("terminology server")
        print(f"{name}: official {len(errors)} errors, ours {ours['errors']}: {reason or 'NEW'}")
        if not reason:
            self.failed += 1
            for issue in errors[:3]:
                print("    official:", issue.get("expression"), json.dumps(issue.get("details", issue))[:300])
            for issue in ours["issues"][:3]:
                print("    ours:", issue["expression"], issue["text"][:300])

    def compare_places(self, name, theirs, mine):
        self.invalid += 1
        self.same_places += theirs == mine
        if theirs == mine:
            self.say(f"{name}: equal")
            return
        reason = self.places.get(name)
        self.met_places.add(name)
        self.say(f"{name}: equal verdict, other elements: {reason or 'NEW'}")
        if not reason:
            self.failed += 1
            print(f"{name}: other elements: NEW")
            print("    only official:", sorted(theirs - mine)[:8])
            print("    only ours:", sorted(mine - theirs)[:8])

    def case(self, name, issues, ours):
        errors = [i for i in issues if i["severity"] in ("fatal", "error")]
        self.total += 1
        if (ours["errors"] == 0) != (not errors):
            self.differs(name, errors, ours)
            return
        self.same += 1
        theirs = places_of(errors)
        if theirs:
            self.compare_places(name, theirs, {plain(i["expression"]) for i in ours["issues"]})
        else:
            self.say(f"{name}: equal")

    def end(self):
        for known, met, file in (
            (self.verdicts, self.met, "validator-known.txt"),
            (self.places, self.met_places, "validator-places.txt"),
        ):
            for name in sorted(set(known) - met):
                self.failed += 1
                print(f"{name}: is equal now (or gone): take it off {file}")
        for reason, count in sorted(self.left.items(), key=lambda row: -row[1]):
            print(f"{count} not run: {reason}")
        within = self.total - self.outside
        print(f"{self.same} of {self.total} verdicts equal ({percent(self.same, self.total)}); "
              f"without the {self.outside} that need a terminology server {percent(self.same, within)}")
        print(f"in {self.same_places} of {self.invalid} invalid ones just the same elements are named")
        # A known difference is no pass: it is listed, and not counted.
        print(f"{self.same} passed, {self.failed} failed, 0 skipped")
        return 1 if self.failed else 0


def percent(part, whole):
    return f"{100 * part / max(whole, 1):.1f} %"


def main(tarn, data, *flags):
    report = Report("--all" in flags)
    with tempfile.TemporaryDirectory() as work:
        suite = Suite(os.path.join(data, "suites/fhir-validator"), data, work)
        for case in suite.cases:
            for name, profile in suite.runs(case):
                try:
                    args, issues = suite.arguments(case, profile)
                except NotRun as why:
                    report.not_run(name, str(why))
                    continue
                command = [tarn, "validate", "--json", "--quiet"] + args
                ours = json.loads(subprocess.run(command, capture_output=True).stdout)
                report.case(name, issues, ours)
    return report.end()


sys.exit(main(*sys.argv[1:]))
