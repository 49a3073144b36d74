#!/usr/bin/env python3
"""The cases of HL7's tests-fhir-r4.xml and of fhirpath.js, one JSON object a line.

  fhirpath_cases.py FOLDER      (shared/data/suites/fhirpath)

tests/unit/fhir/test_fhirpath_suite.c runs them. The XML file has comments with
tests in them that are not well-formed, so it is read by patterns. The files of
fhirpath.js are YAML; without python3-yaml they are left out. Left out as well:
cases for other versions than R4, those switched off, and fhirpath.js's own
%factory.
"""
import glob
import html
import json
import os
import re
import sys


def xml_cases(path):
    text = re.sub(r"<!--.*?-->", "", open(path, encoding="utf-8").read(), flags=re.S)
    seen = {}
    for m in re.finditer(r"<test\b([^>]*)>(.*?)</test>", text, re.S):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', m.group(1)))
        expression = re.search(r"<expression([^>]*)>(.*?)</expression>", m.group(2), re.S)
        outputs = re.findall(
            r'<output(?:\s+type="(\w+)")?\s*(?:/>|>(.*?)</output>)', m.group(2), re.S
        )
        name = attributes["name"]
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            name += f"-{seen[name]}"
        source = attributes.get("inputfile", "patient-example.xml")
        yield {
            "name": "xml/" + name,
            "expression": html.unescape(expression.group(2)),
            "input": os.path.splitext(source)[0] + ".json",
            "typed": True,
            "strict": attributes.get("mode") == "strict",
            "error": "invalid=" in expression.group(1),
            "expect": [re.sub(r"^@T?", "", html.unescape(t)) for _, t in outputs],
        }


def plain(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return str(value)


def yaml_tests(tests, file, count):
    for test in tests or []:
        for key in test:
            if key.startswith("group"):
                yield from yaml_tests(test[key], file, count)
        if "expression" not in test:
            continue
        count[0] += 1
        skip = test.get("disable") or test.get("model", "r4") != "r4" or "context" in test
        if skip or "focus" in test:
            continue
        expressions = test["expression"]
        if isinstance(expressions, dict):
            continue
        if isinstance(expressions, (str, int, float, bool)):
            expressions = [plain(expressions)]
        for i, expression in enumerate(expressions):
            if "%factory" in expression:
                continue
            yield {
                "name": f"js/{file}/{count[0]}" + (f".{i + 1}" if i else ""),
                "expression": expression,
                "input": test.get("inputfile"),
                "typed": test.get("model") == "r4",
                "strict": False,
                "error": bool(test.get("error")),
                "expect": [plain(v) for v in test.get("result") or []],
                "variables": test.get("variables") or {},
            }


def js_cases(folder):
    try:
        import yaml
    except ImportError:
        sys.stderr.write("python3-yaml is not there: without the cases of fhirpath.js\n")
        return

    # YAML's dates stay texts.
    class Loader(yaml.SafeLoader):
        pass

    Loader.yaml_implicit_resolvers = {
        k: [r for r in v if r[0] != "tag:yaml.org,2002:timestamp"]
        for k, v in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    for path in sorted(glob.glob(os.path.join(folder, "*.yaml"))):
        data = yaml.load(open(path, encoding="utf-8"), Loader)
        file = os.path.basename(path)[:-5]
        for case in yaml_tests(data["tests"], file, [0]):
            if not case["input"]:
                case["subject"] = data.get("subject")
            yield case


def main(folder):
    for case in xml_cases(os.path.join(folder, "tests-fhir-r4.xml")):
        print(json.dumps(case))
    for case in js_cases(os.path.join(folder, "fhirpath.js")):
        print(json.dumps(case))


main(sys.argv[1])
