"""MISP: a feed directory that MISP servers and PyMISP read, one event per source and UTC day."""
