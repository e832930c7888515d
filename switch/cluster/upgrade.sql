-- What schema.sql has today and a log of an older version has not. `payswitch cluster
-- upgrade` runs it as the database's owner, in one transaction, beside switches of either
-- version: columns come at a table's end and have a default, and chunks that there are
-- stay as they lie. Whoever waits for an append that waits for standbys gives up, and lets
-- appends go on.

SELECT set_config('lock_timeout', '3s', true);

DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_attribute
                   WHERE attrelid = 'payswitch.head'::regclass AND attname = 'keys') THEN
        ALTER TABLE payswitch.head
            ADD COLUMN keys text NOT NULL DEFAULT '' CHECK (octet_length(keys) <= 200);
        -- What the leader has said of itself; nobody's if nobody leads now.
        UPDATE payswitch.head SET keys = nodes.keys
            FROM payswitch.nodes WHERE nodes.name = head.leader;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_attribute
                   WHERE attrelid = 'payswitch.nodes'::regclass
                   AND attname = 'settings') THEN
        ALTER TABLE payswitch.nodes ADD COLUMN settings text NOT NULL DEFAULT ''
            CHECK (octet_length(settings) <= 200);
    END IF;
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_attribute
                   WHERE attrelid = 'payswitch.nodes'::regclass
                   AND attname = 'process') THEN
        ALTER TABLE payswitch.nodes ADD COLUMN process text NOT NULL DEFAULT ''
            CHECK (octet_length(process) <= 64);
    END IF;
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_attribute
                   WHERE attrelid = 'payswitch.nodes'::regclass
                   AND attname = 'clock_off_s') THEN
        ALTER TABLE payswitch.nodes ADD COLUMN clock_off_s float8;
    END IF;
END $$;

-- How new chunks are kept, in the partitions that there are and those to come: the table
-- before its partitions, as an append locks them.
DO $$ DECLARE
    part regclass;
BEGIN
    FOR part IN SELECT relid FROM pg_catalog.pg_partition_tree('payswitch.chunks')
        JOIN pg_catalog.pg_attribute ON attrelid = relid AND attname = 'chunk'
        WHERE attstorage <> 'm' OR attcompression <> 'l' ORDER BY level
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER chunk SET STORAGE MAIN,'
            ' ALTER chunk SET COMPRESSION lz4', part);
    END LOOP;
END $$;

GRANT UPDATE (keys) ON payswitch.head TO payswitch_log;
