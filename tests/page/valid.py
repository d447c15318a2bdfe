"""Holds a report against docs/usage-report.schema.json. usage: valid.py REPORT.json"""

import json
import sys
from pathlib import Path

from jsonschema import Draft202012Validator

schema = json.loads((Path(__file__).resolve().parents[2] / "docs/usage-report.schema.json").read_text())
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
mistakes = [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(json.loads(Path(sys.argv[1]).read_text()))]
if mistakes:
    sys.exit("\n".join(mistakes))
print(f"ok      {Path(sys.argv[1]).name} is as the schema says")
