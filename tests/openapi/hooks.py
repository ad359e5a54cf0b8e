"""What schemathesis has to be told of our documents: how NDJSON is sent."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def ndjson(_context, value):
    """Text as it is, since the document describes such a body as text, and a
    line for each element of what is none."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        # Not all that Python takes for text has a form in UTF-8.
        return value.encode("utf-8", errors="replace")
    lines = value if isinstance(value, list) else [value]
    return "".join(f"{json.dumps(line)}\n" for line in lines).encode()
