"""Canonical forms of observables: one function per kind, which raises UsageError for what is not one."""
