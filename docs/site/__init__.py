"""What `make docs` needs besides the pages: the reference, generated from the code, and MkDocs's hooks."""
