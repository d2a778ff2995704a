"""STIX 2.1 out: what a view holds as objects (`emit`) and as bundles (`write`)."""

from noroshi.share.stix.finding import bundle, encode, objects, pattern

__all__ = ["bundle", "encode", "objects", "pattern"]
