"""Judges OpenAPI documents: each is given as JSON, and beside it lies the same
as YAML. The one must be valid, and the other must say the same to a reader of
YAML 1.1, which takes more words for something else than text than 1.2 does."""

import json
import sys
from pathlib import Path

import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator

failed = False
for name in sys.argv[1:]:
    path = Path(name)
    document = json.loads(path.read_text())
    errors = [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"
        for error in OpenAPIV31SpecValidator(document).iter_errors()
    ]
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    if yaml.load(path.with_suffix(".yaml").read_text(), Loader=loader) != document:
        errors.append("the YAML says something else than the JSON")
    operations = sum(
        "operationId" in operation
        for item in document["paths"].values()
        for operation in item.values()
    )
    if operations == 0:
        errors.append("it describes nothing")
    print(f"{path.name}: {operations} operations, {len(errors)} errors")
    for error in errors:
        print(f"  {error}")
    failed |= bool(errors)
sys.exit(failed)
