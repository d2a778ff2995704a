"""Blocklists for firewalls: what may be blocked, for how long, and in the words of nftables, RPZ or as plain text."""
