"""The vocabulary every room shares: tables, observables, findings, rejects, markings, errors."""
