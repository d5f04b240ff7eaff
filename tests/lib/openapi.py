# SPDX-License-Identifier: 0BSD
"""Holds every answer seen against the OpenAPI file: operation, status, code, headers, and the body, exactly."""
import posixpath
import re
from urllib.parse import unquote

import yaml
from jsonschema import Draft202012Validator, RefResolver

METHODS = ("get", "post", "put", "patch", "delete")


class Operation:
    def __init__(self, method, path, item, row):
        self.method, self.path, self.row = method.upper(), path, row
        self.codes = row["x-codes"]
        self.schemes = {name for option in row["security"] for name in option}
        self.parameters = item.get("parameters", []) + row.get("parameters", [])


class Spec:
    def __init__(self, file):
        with open(file, encoding="utf-8") as f:
            self.tree = yaml.safe_load(f)
        self._resolver = RefResolver.from_schema(self.tree)
        self._validators = {}
        self.paths = []  # (regular expression, path, {METHOD: Operation})
        for path, item in self.tree["paths"].items():
            pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))
            self.paths.append((re.compile(pattern), path, {m.upper(): Operation(m, path, item, item[m]) for m in METHODS if m in item}))
        self.status_of_code = {}
        for name, schema in self.tree["components"]["schemas"].items():
            if re.fullmatch(r"Problem\d+", name):
                for code in schema["properties"]["code"]["enum"]:
                    self.status_of_code[code] = schema["properties"]["status"]["const"]
        self.seen_codes = set()
        self.seen_operations = set()  # (METHOD, path, status)

    @property
    def operations(self):
        return [o for _, _, by_method in self.paths for o in by_method.values()]

    def find(self, path):
        """(path of the file, {METHOD: Operation}), or (None, {}). The address is read as nginx reads it."""
        path = unquote(path, errors="replace")
        if "/." in path or "//" in path:
            path = posixpath.normpath(path)
        for pattern, name, by_method in self.paths:
            if pattern.fullmatch(path):
                return name, by_method
        return None, {}

    def deref(self, node):
        while isinstance(node, dict) and set(node) == {"$ref"}:
            node = self._resolver.resolve(node["$ref"])[1]
        return node

    def _check_body(self, schema, value, answer):
        validator = self._validators.get(id(schema))
        if validator is None:
            validator = self._validators[id(schema)] = Draft202012Validator(schema, resolver=self._resolver)
        error = next(validator.iter_errors(value), None)
        if error:
            deep = min(error.context, key=lambda e: len(e.path), default=error) if error.context else error
            where = "/".join(map(str, deep.absolute_path))
            raise AssertionError(f"the body is not as described, at '{where}': {deep.message[:500]}\n{answer}")

    def _check_response(self, response, answer):
        for name, header in response.get("headers", {}).items():
            header = self.deref(header)
            value = answer.header(name)
            assert value is not None or not header.get("required"), f"no {name}: {answer}"
            if value is not None:
                self._check_body(header["schema"], value, answer)
        content = response.get("content")
        if not content:
            assert answer.raw == b"", f"a body where none is described: {answer}"
            return
        assert answer.type in content, f"{answer.type} is not described: {answer}"
        if answer.method != "HEAD":
            value = answer.json if answer.type.endswith("json") else answer.raw.decode()
            self._check_body(content[answer.type]["schema"], value, answer)
            if answer.type == "application/problem+json":
                assert value["type"] == "urn:boxoffice:problem:" + value["code"], f"type is not of the code: {answer}"
                assert value["status"] == answer.status, f"status inside and outside differ: {answer}"
                if not answer.replayed:
                    assert value["requestId"] == answer.header("X-Request-Id"), f"requestId is not X-Request-Id's: {answer}"
                self.seen_codes.add(value["code"])
        elif answer.raw:
            raise AssertionError(f"a body after HEAD: {answer}")

    def see(self, answer):
        """Raises AssertionError when the answer is not as described."""
        path, by_method = self.find(answer.path.partition("?")[0])
        operation = by_method.get("GET" if answer.method == "HEAD" else answer.method)
        responses, unread = self.tree["components"]["responses"], False
        if operation and answer.status != 405:
            row = operation.row["responses"].get(str(answer.status))
            if answer.status == 400 and answer.code == "VALIDATION_FAILED" and not answer.json["errors"]:
                row, unread = {"$ref": "#/components/responses/BadRequest"}, True
            assert row is not None, f"status {answer.status} is not described for {operation.method} {path}: {answer}"
            self._check_response(self.deref(row), answer)
            if answer.code and not unread:
                assert answer.code in operation.codes, f"{answer.code} is not described for {operation.method} {path}: {answer}"
            self.seen_operations.add((operation.method, path, answer.status))
        elif answer.status == 405:
            assert not operation, f"{answer.method} is described, and was refused: {answer}"
            self._check_response(self.deref(responses["MethodNotAllowed"]), answer)
        elif answer.status == 404:
            assert not path, f"described, and not there: {answer}"
            self._check_response(self.deref(responses["NotFound"]), answer)
            codes = {None, "ROUTE_NOT_FOUND"} | ({"CONCERT_NOT_FOUND"} if answer.path.startswith("/queue/") else set())
            assert answer.code in codes, f"not ROUTE_NOT_FOUND: {answer}"
        else:
            # Nothing described: what nginx refuses before it looks at the address.
            names = {400: "BadRequest", 413: "TooLarge", 415: "UnsupportedMediaType", 429: "TooManyRequests", 503: "Unavailable"}
            assert answer.status in names, f"not described: {answer}"
            self._check_response(self.deref(responses[names[answer.status]]), answer)

    def problems_with_itself(self):
        """What in the file does not hold together; [] when all does."""
        found = []
        for o in self.operations:
            where = f"{o.method} {o.path}"
            described = {int(s) for s in o.row["responses"] if int(s) >= 400}
            needed = {self.status_of_code[c] for c in o.codes}
            if described != needed:
                found.append(f"{where}: statuses {sorted(described)}, but its codes need {sorted(needed)}")
            in_path = {self.deref(p)["name"] for p in o.parameters if self.deref(p)["in"] == "path"}
            if in_path != set(re.findall(r"\{(\w+)\}", o.path)):
                found.append(f"{where}: parameters of the path: {sorted(in_path)}")
            for response in o.row["responses"].values():
                if "X-Request-Id" not in self.deref(response).get("headers", {}):
                    found.append(f"{where}: a response without X-Request-Id")
        ids = [o.row["operationId"] for o in self.operations]
        found += [f"operationId {i} twice" for i in set(ids) if ids.count(i) > 1]
        for name, schema in self.tree["components"]["schemas"].items():
            Draft202012Validator.check_schema(schema)
        return found
