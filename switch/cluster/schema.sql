-- The log of one ledger in PostgreSQL 17.5 or newer (docs/cluster.md). `payswitch cluster
-- init` runs it once, as the database's owner who may make roles, in one transaction.
-- `payswitch_log` is who switches are: it may add and look, and take no chunk back.

CREATE SCHEMA payswitch;
REVOKE ALL ON SCHEMA payswitch FROM PUBLIC;

-- One row, changed by each append and each take-over: pages with room for its versions.
CREATE TABLE payswitch.head (
    ledger int NOT NULL PRIMARY KEY CHECK (ledger = 1),
    instance bytea NOT NULL CHECK (octet_length(instance) = 16),
    sequence int8 NOT NULL CHECK (sequence >= 0),
    chain int8 NOT NULL CHECK (chain BETWEEN 0 AND 4294967295),
    epoch int8 NOT NULL CHECK (epoch >= 0),
    leader text NOT NULL CHECK (octet_length(leader) <= 64),
    address text NOT NULL CHECK (octet_length(address) <= 255),
    -- Of who took over last, also once that one has stepped down: whose keys are right.
    keys text NOT NULL DEFAULT '' CHECK (octet_length(keys) <= 200)
) WITH (fillfactor = 20);

-- A chunk's bytes are packed, and in the row itself where a page has room for that. What
-- is too long still lies beside its row, in pieces of 2 kB with an index of their own.
CREATE TABLE payswitch.chunks (
    first_sequence int8 NOT NULL PRIMARY KEY,
    last_sequence int8 NOT NULL CHECK (last_sequence >= first_sequence),
    epoch int8 NOT NULL,
    chain int8 NOT NULL,
    chunk bytea STORAGE MAIN COMPRESSION lz4 NOT NULL
) PARTITION BY RANGE (first_sequence);

-- What each node says of itself, once a second.
CREATE TABLE payswitch.nodes (
    name text NOT NULL PRIMARY KEY CHECK (octet_length(name) <= 64),
    address text NOT NULL CHECK (octet_length(address) <= 255),
    sequence int8 NOT NULL,
    state_hash bytea NOT NULL CHECK (octet_length(state_hash) <= 64),
    keys text NOT NULL CHECK (octet_length(keys) <= 200),
    seen timestamptz NOT NULL,
    settings text NOT NULL DEFAULT '' CHECK (octet_length(settings) <= 200),
    -- Of whom these words are: when that process began, and something random.
    process text NOT NULL DEFAULT '' CHECK (octet_length(process) <= 64),
    -- How far its clock was ahead of this server's; null: it did not say.
    clock_off_s float8
) WITH (fillfactor = 20);

-- Files that rows name by their hash, in parts.
CREATE TABLE payswitch.blobs (
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    part int NOT NULL CHECK (part >= 0),
    parts int NOT NULL CHECK (parts > part),
    bytes bytea STORAGE EXTERNAL NOT NULL CHECK (octet_length(bytes) <= 1048576),
    PRIMARY KEY (hash, part)
);

-- Partitions of 10 million rows: the one that row `upto` is in, and two more behind it.
-- A chunk lies where its first row does. Who waits for another one's DDL waits shortly:
-- a partition is attached beside appends, not between them.
CREATE FUNCTION payswitch.make_room(upto int8) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rows CONSTANT int8 := 10000000;
    ahead CONSTANT int8 := 2;
    made int := 0;
    part text;
BEGIN
    IF upto < 0 OR upto > (SELECT sequence + rows FROM payswitch.head) THEN
        RAISE EXCEPTION 'row % is too far ahead', upto;
    END IF;
    PERFORM pg_advisory_xact_lock(8097878393470084979);
    FOR n IN (upto + 1) / rows .. (upto + 1) / rows + ahead LOOP
        part := format('chunks_%s', lpad(n::text, 6, '0'));
        CONTINUE WHEN to_regclass('payswitch.' || part) IS NOT NULL;
        EXECUTE format(
            'CREATE TABLE payswitch.%I (LIKE payswitch.chunks INCLUDING ALL,'
            ' CHECK (first_sequence >= %s AND first_sequence < %s))',
            part, n * rows, (n + 1) * rows);
        EXECUTE format(
            'ALTER TABLE payswitch.chunks ATTACH PARTITION payswitch.%I'
            ' FOR VALUES FROM (%s) TO (%s)', part, n * rows, (n + 1) * rows);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;

-- Standbys that stream now and that a commit may wait for: those that are named, and not
-- whoever takes WAL, as a copy that is being made does. Nobody but those who may look at
-- all of a server's activity sees that by themselves.
CREATE FUNCTION payswitch.standbys() RETURNS int8
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN (SELECT count(*) FROM pg_stat_replication
        WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum')
        AND current_setting('synchronous_standby_names') NOT LIKE '%*%');

REVOKE ALL ON FUNCTION payswitch.make_room(int8), payswitch.standbys() FROM PUBLIC;

-- Its password, or certificate, is the operator's to set. Statements that wait for
-- standbys keep their connections; so many, and then the rest of the server stays free.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'payswitch_log') THEN
        CREATE ROLE payswitch_log LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT
            CONNECTION LIMIT 60;
    END IF;
END $$;
GRANT USAGE ON SCHEMA payswitch TO payswitch_log;
GRANT SELECT, UPDATE (sequence, chain, epoch, leader, address, keys)
    ON payswitch.head TO payswitch_log;
GRANT SELECT, INSERT ON payswitch.chunks, payswitch.blobs TO payswitch_log;
GRANT SELECT, INSERT, UPDATE ON payswitch.nodes TO payswitch_log;
GRANT EXECUTE ON FUNCTION payswitch.make_room(int8), payswitch.standbys()
    TO payswitch_log;
