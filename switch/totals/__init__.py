"""What the network has taken, by day, centre, service and head, kept and asked."""
