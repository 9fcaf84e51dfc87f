"""What `zoo demo` serves: the built app, bundles, and the server. The command is `zoo.web.demo`."""
