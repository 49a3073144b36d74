#!/usr/bin/env python3
"""The words of `tarn validate` beside the official validator's.

  validator_texts.py TARN DATA [--all]      (shared/data)

Of the errors recorded in suites/fhir-validator: how many does Tarn tell in the same
words, anywhere in the case? Clients match on texts, so the share must not fall below
FLOOR. --all prints the texts that nobody says here, the most frequent first.
"""
import collections
import json
import os
import re
import subprocess
import sys
import tempfile

from validator_cases import NotRun, Suite

FLOOR = 0.55
# What the one says by its terminology server, or by rules for what HL7 publishes.
ELSEWHERE = re.compile("Wrong Display Name|snomed|loinc|cvx|icd-10|rxnorm|iso:std:iso:3166|nucc", re.I)


def shape(text):
    return re.sub(r"\d+", "N", re.sub(r"'[^']*'|https?://\S+", "..", text))[:120]


def main(tarn, data, *flags):
    same = 0
    other = collections.Counter()
    with tempfile.TemporaryDirectory() as work:
        suite = Suite(os.path.join(data, "suites/fhir-validator"), data, work)
        for case in suite.cases:
            for _, profile in suite.runs(case):
                try:
                    args, issues = suite.arguments(case, profile)
                except NotRun:
                    continue
                run = subprocess.run([tarn, "validate", "--json", "--quiet"] + args, capture_output=True)
                ours = {i["text"] for i in json.loads(run.stdout)["issues"]}
                for issue in issues:
                    text = issue.get("details", {}).get("text")
                    if not text or issue["severity"] not in ("fatal", "error") or ELSEWHERE.search(text):
                        continue
                    same += text in ours
                    other[shape(text)] += text not in ours
    if "--all" in flags:
        for text, count in other.most_common():
            print(count, text)
    total = same + sum(other.values())
    print(f"{same} of {total} recorded errors are told in the same words ({100 * same / total:.0f} %)")
    failed = same < FLOOR * total
    print(f"{1 - failed} passed, {int(failed)} failed, 0 skipped")
    return int(failed)


sys.exit(main(*sys.argv[1:]))
