"""Validates rendered objects strictly: a field that no schema knows is a mistake.

validate.py KUBERNETES_VALIDATE VERSIONS MODELS... <objects.json
Kubernetes' own kinds by the schemas that the package kubernetes-validate carries, for each of the versions (1.30,1.33);
custom ones by the schemas in the packages @kubernetes-models/*. Prints a line for each finding; then, of each kind, by what
it was judged. The exit code is 1 after a finding.
"""
import json
import pathlib
import re
import sys

package, versions, models = pathlib.Path(sys.argv[1]), sys.argv[2].split(","), sys.argv[3:]
sys.path.insert(0, str(package))

import jsonschema  # noqa: E402
import referencing  # noqa: E402

# Fields younger than the newest schema of a kind that is to be had.
YOUNGER = {"Rollout": [("spec", "workloadRef", "scaleDown")]}
# Kinds that no package describes; what they must have is checked below.
UNDESCRIBED = {"configuration.konghq.com/v1/KongPlugin": {
    "type": "object", "required": ["plugin", "config"], "additionalProperties": False,
    "properties": {"apiVersion": {}, "kind": {}, "metadata": {"type": "object"}, "plugin": {"type": "string"}, "config": {"type": "object"}},
}}


def builtin(version):
    """A function from an object to its schema's validator, or None for a kind that Kubernetes does not have."""
    folder = package / f"kubernetes_validate/kubernetes-json-schema/v{version}.0-local-strict"
    read = lambda name: referencing.Resource.from_contents(json.loads((folder / name).read_text()))
    registry = read("_definitions.json") @ referencing.Registry()

    def validator(thing):
        name = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", thing["apiVersion"])
        path = f"{thing['kind'].lower()}-{name}.json"
        if not (folder / path).exists():
            return None
        schema = read(path)
        return jsonschema.Draft202012Validator(schema.contents, registry=schema @ registry)

    return validator


def custom():
    """Schemas by apiVersion/kind, made strict."""
    found = dict(UNDESCRIBED)
    for folder in models:
        for path in pathlib.Path(folder).rglob("*.js"):
            text = path.read_text()
            if (start := text.find("const schema = {")) >= 0:
                schema = json.JSONDecoder().raw_decode(text, start + len("const schema = "))[0]
                of = schema["properties"]
                if "enum" in of.get("kind", {}) and "enum" in of.get("apiVersion", {}):
                    of["metadata"] = {"type": "object"}
                    found[f"{of['apiVersion']['enum'][0]}/{of['kind']['enum'][0]}"] = strict(schema)
    return found


def strict(schema):
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: strict(value) for name, value in schema.items()}
    # A field that is called type, or properties, is no keyword.
    if isinstance(schema.get("type"), str):
        if schema["type"] == "object" and schema.get("properties"):
            schema.setdefault("additionalProperties", False)
        if schema.pop("nullable", False):
            schema["type"] = [schema["type"], "null"]
    return schema


def without_younger(thing):
    thing = json.loads(json.dumps(thing))
    for *way, last in YOUNGER.get(thing["kind"], []):
        at = thing
        for step in way:
            at = at.get(step, {})
        at.pop(last, None)
    return thing


def main():
    things = json.load(sys.stdin)
    judges = [(f"Kubernetes {version}", builtin(version)) for version in versions]
    customs = custom()
    findings, judged = [], {}
    for thing in things:
        kind = f"{thing['apiVersion']}/{thing['kind']}"
        name = f"{thing['kind']}/{thing['metadata']['name']}"
        validators = [(label, judge(thing)) for label, judge in judges]
        validators = [(label, validator) for label, validator in validators if validator]
        if kind in customs:
            validators = [("its definition", jsonschema.Draft202012Validator(customs[kind]))]
        if not validators or (kind not in customs and len(validators) < len(judges)):
            findings.append(f"{name}: {kind} is known to {[label for label, _ in validators] or 'nobody'} only")
        for label, validator in validators:
            judged.setdefault(kind, set()).add(label)
            for error in validator.iter_errors(without_younger(thing) if kind in customs else thing):
                while error.context:
                    error = max(error.context, key=lambda inner: len(inner.absolute_path))
                findings.append(f"{name}: {'.'.join(map(str, error.absolute_path))}: {error.message[:300]} ({label})")
    for finding in dict.fromkeys(findings):
        print(finding)
    for kind, labels in sorted(judged.items()):
        print(f"{kind}: {', '.join(sorted(labels))}", file=sys.stderr)
    return 1 if findings else 0


sys.exit(main())
