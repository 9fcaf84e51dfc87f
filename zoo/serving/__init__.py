"""`zoo serve`: bundles behind an address, by the Open Inference Protocol over HTTP and gRPC, and by a plain endpoint.

Every request goes one way: `http_v2`, `grpc_v2` or `plain` reads it, a place in the model's `queue` is taken, and
`inference` answers it on a model of `models`, which has proved itself before.
"""
