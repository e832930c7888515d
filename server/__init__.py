"""The payment switch on a network: gRPC with mutual TLS."""
