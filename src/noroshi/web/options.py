"""How `noroshi serve` was started."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """What the command line decides; the limits have reasons in docs/serve.md."""

    host: str = "127.0.0.1"
    port: int = 8642
    open: bool = False
    """Loopback only; whoever is on this machine is admin, without a password."""
    tls: bool = False
    """Browsers come by https: by our certificate, or by a proxy's."""
    proxy: str = ""
    """The address of a proxy whose word about clients is taken."""
    hosts: tuple[str, ...] = ()
    """Names this server goes by; empty for any (never with `open`)."""
    jobs: bool = False
    threads: int = 8
    """Questions answered at once; the others wait."""
    seconds: float = 30.0
    """The longest a question may take."""
    body: int = 1 << 20
    """Bytes a request may send, uploads aside."""
    upload: int = 64 << 20
    """Bytes an upload may send."""
    rate: float = 50.0
    """Requests a second from one address in the long run; 0 for any number (`open`)."""
    burst: int = 400
    """Requests from one address at once: a page is about ten."""
    listeners: int = 300
    """Event streams open at once."""
    heartbeat: float = 15.0
    """Seconds between signs of life on an event stream."""
