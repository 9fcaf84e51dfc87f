"""The body of `zoo demo` (demo.py), the built app and bundles that it serves, and the server."""
