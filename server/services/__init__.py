"""One thin module a service: what it may do stands in its .proto file."""
