"""Tables, links, runs, SQL; the only room that knows the engine."""
