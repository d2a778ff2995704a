"""Pages, REST and TAXII in one process; `app.make` puts them together."""
