"""A whole cluster on one machine: `make cluster`, its faults, and what they prove.

Three etcd, three Patroni with PostgreSQL, an archive of pgBackRest and two switches,
all on 127.0.0.1 and below one folder. `docs/cluster.md` says what it stands for.
"""
