"""The TAXII 2.1 server: an application of its own, mounted beside pages and API."""

from noroshi.web.taxii.app import Taxii, routes

__all__ = ["Taxii", "routes"]
