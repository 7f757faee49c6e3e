"""One module a page, each with `PATH`, `TITLE` and `page(lab)`."""
