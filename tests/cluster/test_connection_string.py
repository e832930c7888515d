"""Goal: where the log is can be said only without a secret, and so that no other server
is taken for it; a string that is refused is not repeated.

Method: strings, right and wrong; nothing is connected to.
"""

import pytest

pytest.importorskip("switch.cluster._pq", reason="built without libpq")

from switch.cluster.postgres import Hosts, PostgresLog
from switch.errors import ConfigError


def test_what_a_connection_string_must_not_say() -> None:
    verified = "sslmode=verify-full"
    for wrong, said in (
        ("host=::1 secret", "not a connection string"),
        ("postgresql://u:secret@[::1/log", "not a connection string"),
        (f"host=a,b port=1,2,3 {verified}", "as many ports as hosts"),
        (",".join(["host=a"] + ["a"] * 8), "9 hosts"),
        (f"host=a password=secret {verified}", "passfile"),
        ("postgresql://u:secret@127.0.0.1/log", "passfile"),
        (f"host=a sslpassword=secret {verified}", "a key without one"),
        ("service=secret", "no service"),
        *(
            (hosts, "sslmode must be verify-full")
            for hosts in (
                "host=a",
                "host=localhost",
                "host=10.0.0.1 sslmode=require",
                "host=127.0.0.1,a",
                "host=127.0.0.1 hostaddr=10.0.0.1",
                # Where the environment, or a file of services, has the word.
                "port=1",
                "host=/run,",
            )
        ),
    ):
        with pytest.raises(ConfigError, match=f"^dsn: .*{said}") as refused:
            PostgresLog(wrong)
        assert "secret" not in str(refused.value)
    for right in (
        f"host=a,b {verified}",
        "postgresql://a,b/log?sslmode=verify-ca",
        "host=127.0.0.1,::1,/run/postgresql,@log",
        "host=a hostaddr=127.0.0.2",
    ):
        PostgresLog(right)


def test_nothing_is_taken_instead_of_tls() -> None:
    for said in ("", " gssencmode=prefer"):
        [one] = Hosts(f"host=a sslmode=verify-full{said}", "test").all
        assert one["gssencmode"] == "disable"
