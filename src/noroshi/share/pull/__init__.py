"""Clients that read what others give: TAXII 2.1 collections and MISP feeds. Every server is taken for a hostile one."""
