#!/bin/sh
# PostgreSQL's restore_command: from the archive, or (before a promotion) that a timeline
# is taken. Arguments: the node's folder, %f, %p.
#
# before_promote.py leaves in `promotes`: the newest timeline that this node knows, the
# one that etcd gave it, and the PostgreSQL that this is true for. PostgreSQL asks for the
# history of one number after the other, and takes the first that it gets none of. Those
# between the two are other nodes', whose history may never have reached the archive. What
# is given for them is looked for, never read: no history that it could follow.
#
# A history that is there already is not asked for again: PostgreSQL then reads its own.
# A standby needs it before it streams from a new leader, which may be asked who streams
# a third of a second after its promotion.
node=$1 file=$2 path=$3

case $file in
    *.history) [ -e "$node/data/pg_wal/$file" ] && exit 1 ;;
esac
if [ -e "$node/pgbackrest.conf" ]; then
    pgbackrest "--config=$node/pgbackrest.conf" --stanza=payswitch \
        archive-get "$file" "$path" && exit 0
fi
case $file in
    *[!0-9A-F].history | *.history.* | ????????*?.history) exit 1 ;;
    ????????.history) ;;
    *) exit 1 ;;
esac
read -r newest taken postmaster 2>/dev/null <"$node/promotes" || exit 1
read -r running 2>/dev/null <"$node/data/postmaster.pid" || exit 1
number=$(printf '%d' "0x${file%.history}") || exit 1
[ "$postmaster" = "$running" ] && [ "$number" -gt "$newest" ] \
    && [ "$number" -lt "$taken" ] || exit 1
echo "# taken by another node" >"$path"
