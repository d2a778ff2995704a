"""Tables, links, runs, SQL; the only room that knows the engine.

`from noroshi.lake.handle import Lake` is the face; importing this package alone loads nothing heavy.
"""
