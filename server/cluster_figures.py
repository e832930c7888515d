"""The figures of a node of a cluster."""

from server.exposition import Family, counter, gauge
from server.leadership import NODE_S, Leadership
from switch.billing.put_in import PutIn


def cluster_figures(node: Leadership, put_in: PutIn) -> list[Family]:
    """How this node stands to its log and to the others. Any thread."""
    member, follower = node.member, node.follower
    head = follower.head
    age_s = follower.age_s()
    found = [
        gauge("cluster_leads", "1 while payments are taken here.").add(
            node.leads and node.is_confirmed
        ),
        gauge("cluster_epoch", "Of who leads, as this node knows.").add(
            member.epoch or (head.epoch if head is not None else 0)
        ),
        gauge("cluster_unfit", "1 if this node must not lead; its log says why.").add(
            bool(member.why_not)
        ),
        gauge(
            "cluster_no_room", "1 while the disk has no room for what the log has."
        ).add(not member.has_room),
        gauge("cluster_lag_rows", "Rows of the log that are not here yet.").add(
            0 if node.leads else follower.lag_rows
        ),
        gauge(
            "cluster_bills_behind",
            "Services whose newest bills that were put in are not here yet.",
        ).add(put_in.behind),
        counter("cluster_doubts_total", "Times that the log could not be asked.").add(
            member.doubts
        ),
        counter(
            "cluster_differences_total", "Nodes that had another state than a leader."
        ).add(member.differences),
        counter("cluster_attempts_total", "Times that it tried to take over.").add(
            member.attempts
        ),
        counter(
            "cluster_lost_attempts_total", "Of these, when another was faster."
        ).add(member.lost_attempts),
    ]
    if member.standbys >= 0:
        found.append(
            gauge("cluster_standbys", "Database nodes that the quorum counts.").add(
                member.standbys
            )
        )
    if node.leads and node.clock_off_s is not None:
        found.append(
            gauge(
                "cluster_clock_off_seconds",
                "How far the clock here is ahead of the log's, as last seen.",
            ).add(node.clock_off_s)
        )
    since_s = member.unconfirmed_s() if node.leads else age_s
    if since_s is not None:
        found.append(
            gauge(
                "cluster_age_seconds",
                "Since it was known to have, or to be, the newest.",
            ).add(since_s)
        )
    return found + _appends(node) + _nodes(node)


def _appends(node: Leadership) -> list[Family]:
    """What a leader has met on its way into the log."""
    appending = node.appending
    met = None if appending is None else appending.replicator
    counts = (
        ("doubtful_appends", "Groups that were in doubt.", met and met.doubts),
        ("barriers", "Commits that settle a doubt.", met and met.barriers),
        ("fences", "Groups that another leader kept out.", met and met.fences),
        ("unknown_appends", "Groups of which nobody knows.", met and met.unknowns),
    )
    chunks, size, waited_s, _ = (0, 0, 0.0, 0.0)
    if appending is not None:
        chunks, size, waited_s, _ = appending.counts
    return [
        *(
            counter(f"cluster_{name}_total", text).add(value or 0)
            for name, text, value in counts
        ),
        counter("cluster_appends_total", "Groups that went into the log.").add(chunks),
        counter("cluster_append_bytes_total", "Their bytes.").add(size),
        counter("cluster_append_seconds_total", "How long that took.").add(waited_s),
    ]


def _nodes(node: Leadership) -> list[Family]:
    """What the others have said."""
    behind = gauge(
        "cluster_node_lag_rows", "Rows that a node has not, as it last said."
    )
    seen = gauge("cluster_node_seen_seconds", "Since a node said anything.")
    differ = gauge(
        "cluster_settings_differ",
        "1 if a node that is there has other settings than the leader.",
    )
    clock = gauge(
        "cluster_node_clock_off_seconds",
        "How far the clock of a node that is there is ahead of the log's, as it says.",
    )
    others = node.other_settings() if node.leads else {}
    newest = node.sequence
    for one in node.member.nodes:
        behind.add(max(newest - one.sequence, 0), node=one.name)
        seen.add(one.seen_age_s, node=one.name)
        if one.clock_off_s is not None and one.seen_age_s <= NODE_S:
            clock.add(one.clock_off_s, node=one.name)
        if node.leads:
            differ.add(one.name in others, node=one.name)
    return [behind, seen, clock, differ]
