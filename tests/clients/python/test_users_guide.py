"""The client of the users tutorial, as it stands (`users_guide/`): before and
after its last step.

It says `localhost:50051`; only that text is replaced, by the address of the
server under test, and the id where the tutorial says to try another. The server
has the people of the demo.
"""

from pathlib import Path

import pytest

GUIDE = Path(__file__).parent / "users_guide"


@pytest.fixture
def printed(address, capsys):
    def run(name: str, changed: dict[str, str] | None = None) -> str:
        path = GUIDE / f"{name}.py"
        source = path.read_text("utf-8")
        for old, new in {"localhost:50051": address, **(changed or {})}.items():
            assert old in source
            source = source.replace(old, new)
        exec(compile(source, str(path), "exec"), {"__name__": "__main__"})  # noqa: S102
        return capsys.readouterr().out

    return run


def test_a_user_is_found(printed):
    assert printed("get_user") == "User found: ID=1, Name=John Doe, Email=john@example.com\n"


def test_another_id_is_not(printed):
    assert printed("get_user", {"id=1": "id=99"}) == "Error: User not found\n"


def test_users_are_listed(printed):
    assert printed("list_users") == (
        "Testing GetUser:\n"
        "User found: ID=1, Name=John Doe, Email=john@example.com\n"
        "\n"
        "Testing ListUsers:\n"
        "User: ID=1, Name=John Doe, Email=john@example.com\n"
        "User: ID=2, Name=Jane Smith, Email=jane@example.com\n"
    )
