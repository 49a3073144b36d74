"""The official validator's suite: what each case asks, and what was recorded of it."""
import json
import os

import fhir_xml

GUIDES = {
    "hl7.fhir.us.core#3.1.0": "us-core-3.1.1.tar.zst",
    "hl7.fhir.us.core#3.1.1": "us-core-3.1.1.tar.zst",
    "hl7.fhir.us.core#4.0.0": "us-core-4.0.0.tar.zst",
    "hl7.fhir.us.core#6.1.0": "us-core-6.1.0.tar.zst",
    "hl7.fhir.us.core#7.0.0": "us-core-7.0.0.tar.zst",
}


class NotRun(Exception):
    pass


def load(path):
    return json.load(open(path, encoding="utf-8-sig"))


class Suite:
    """`folder`: suites/fhir-validator; `data`: the data folder; `work`: for what XML becomes."""

    def __init__(self, folder, data, work):
        self.folder, self.data, self.work = folder, data, work
        self.schema = None
        self.cases = load(os.path.join(folder, "manifest.json"))["test-cases"]

    def file(self, name):
        path = os.path.join(self.folder, name)
        if not os.path.exists(path):
            raise NotRun(f"{name} is not in the data")
        return self.converted(path) if name.endswith(".xml") else path

    def converted(self, path):
        if not self.schema:
            definitions = os.path.join(self.data, "r4/definitions/fhir.schema.json.zst")
            self.schema = fhir_xml.schema_of(definitions)
        out = os.path.join(self.work, os.path.basename(path)[:-4] + ".json")
        with open(out, "w", encoding="utf-8") as f:
            json.dump(fhir_xml.convert(path, self.schema), f)
        return out

    def package(self, name, places):
        if name in GUIDES:
            return os.path.join(self.data, "ig", GUIDES[name])
        if places.get(name, name).endswith(".tgz"):
            return self.file(places.get(name, name))
        raise NotRun(f"package {name} is not in the data")

    def outcome(self, java):
        """The recorded issues; an OperationOutcome without any says that all is well."""
        if isinstance(java, str):
            path = os.path.join(self.folder, "outcomes", java)
            places = [path, path.replace("/java/", "/"), path[:-5] + "-base.json"]
            java = next((load(p) for p in places if os.path.exists(p)), None)
        if isinstance(java, dict):
            java = java.get("outcome", java)
            if "errorCount" in java:
                return [{"severity": "error"}] * java["errorCount"]
            if java.get("resourceType") == "OperationOutcome":
                return java.get("issue", [])
        raise NotRun("its outcome is not in the data")

    def runs(self, case):
        """(name, profile or None) of each validation that the case is made of."""
        yield case["name"], None
        if "profile" in case:
            yield case["name"] + " profile", case["profile"]

    def arguments(self, case, profile):
        """(arguments of `tarn validate`, recorded issues) of one validation."""
        if "matchetype" in case or case.get("module") == "matchetype":
            raise NotRun("compares two JSON texts: no validation")
        if not case["version"].startswith("4.0"):
            raise NotRun(f"is for FHIR {case['version']}")
        if "logical" in case:
            raise NotRun("a logical model")
        issues = self.outcome((profile or case).get("java"))
        args = [] if "allowed-extension-domain" in case else ["--known-extensions"]
        args += ["--no-markup"] if "security-checks" in case else []
        names = []
        for asks in (case, profile or {}):
            for name in asks.get("packages", []):
                args += ["--package", self.package(name, case.get("package-map", {}))]
            names += [n for key in ("supporting", "supporting5", "profiles") for n in asks.get(key, [])]
            if not asks.get("source", "http").startswith("http"):
                names.append(asks["source"])
        args += self.definitions(names)
        if profile:
            source = profile["source"]
            url = source if source.startswith("http") else load(self.file(source))["url"]
            args += ["--profile", url]
        return args + [self.file(case["file"])], issues

    def definitions(self, names):
        args = []
        for name in dict.fromkeys(names):
            path = self.file(name)
            is_form = load(path)["resourceType"] == "Questionnaire"
            args += ["--questionnaire" if is_form else "--package", path]
        return args
