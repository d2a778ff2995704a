"""TAXII 2.1: what each recipient may see as a log that is read in pages, and what recipients send in."""
