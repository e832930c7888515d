"""The journal as Python writes and follows it. May use the core and the words."""
