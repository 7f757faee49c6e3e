"""The web pages. They read rows and write requests; they know no torch, and remember nothing themselves."""
