"""The web app as people get it: built, served by `zoo demo`, opened in a real browser."""
