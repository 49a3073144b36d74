#!/usr/bin/env python3
"""The verdicts of `tarn validate` beside the official validator's.

  validator_suite.py TARN SUITE KNOWN      (shared/data/suites/fhir-validator)

All cases for R4 that ask for no profile or package (those are profile_suite.py's): a
case is valid when its recorded outcome has no error. KNOWN lists the cases whose
verdicts differ, each with the reason; a difference that it does not list, or one
that it lists and is no more, fails: the list only shrinks. Also told: in how many of
the invalid ones the two name the same elements.
"""
import collections
import json
import os
import re
import subprocess
import sys

from official_suite import load, outcome_of


def why_not_run(folder, case, outcome):
    if {"packages", "profile", "profiles", "logical"} & set(case):
        return "has a profile or package"
    if "matchetype" in case or case.get("module") == "matchetype":
        return "compares two JSON texts"
    if not case["version"].startswith("4.0"):
        return "is for another version"
    if not os.path.exists(os.path.join(folder, case["file"])):
        return "its file is not in the data"
    return None if outcome else "its outcome is not in the data"


def arguments(folder, case):
    args = ["--known-extensions"] + (["--no-markup"] if "security-checks" in case else [])
    for name in case.get("supporting", []) + case.get("supporting5", []):
        path = os.path.join(folder, name)
        if not name.endswith(".json") or not os.path.exists(path):
            continue
        is_form = load(path).get("resourceType") == "Questionnaire"
        args += ["--questionnaire" if is_form else "--package", path]
    return args


def plain(expression):
    expression = re.sub(r"/\*.*?\*/", "", expression)
    return re.sub(r"\.ofType\([A-Za-z]+\)", "", expression)


def places(issues):
    found = set()
    for issue in issues:
        for expression in issue.get("expression", issue.get("location", []))[:1]:
            found.add(plain(expression))
    return found


def known_of(path):
    rows = {}
    for line in open(path, encoding="utf-8"):
        if line.strip() and not line.startswith("#"):
            name, reason = line.rstrip("\n").split("  ", 1)
            rows[name] = reason.strip()
    return rows


def main(tarn, folder, known_path):
    known = known_of(known_path)
    left = collections.Counter()
    total = same = invalid = same_places = failed = outside = 0
    met = set()
    for case in load(os.path.join(folder, "manifest.json"))["test-cases"]:
        outcome = outcome_of(folder, case.get("java"))
        reason = why_not_run(folder, case, outcome)
        if reason:
            left[reason] += 1
            continue
        errors = [i for i in outcome["issue"] if i["severity"] in ("fatal", "error")]
        path = os.path.join(folder, case["file"])
        command = [tarn, "validate", "--json", "--quiet"] + arguments(folder, case) + [path]
        ours = json.loads(subprocess.run(command, capture_output=True).stdout)
        total += 1
        is_same = (ours["errors"] == 0) == (not errors)
        same += is_same
        if errors and is_same:
            invalid += 1
            mine = {plain(i["expression"]) for i in ours["issues"]}
            same_places += places(errors) == mine
        if is_same:
            continue
        met.add(case["name"])
        listed = known.get(case["name"])
        outside += bool(listed) and listed.startswith("terminology server")
        print(f"{case['name']}: official {len(errors)} errors, ours {ours['errors']}: {listed or 'NEW'}")
        if not listed:
            failed += 1
            for issue in errors[:3]:
                print("    official:", json.dumps(issue.get("details", issue))[:200])
            for issue in ours["issues"][:3]:
                print("    ours:", issue["expression"], issue["text"][:160])
    for name in sorted(set(known) - met):
        failed += 1
        print(f"{name}: is equal now (or gone): take it off {os.path.basename(known_path)}")
    for reason, count in sorted(left.items()):
        print(f"{count} not run: {reason}")
    print(f"{same} of {total} verdicts equal ({100 * same / max(total, 1):.1f} %); "
          f"{outside} of the {total - same} others need a terminology server")
    print(f"in {same_places} of {invalid} invalid ones all the same elements are named")
    # A known difference is no pass: it is listed, and not counted.
    print(f"{same} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


sys.exit(main(*sys.argv[1:]))
