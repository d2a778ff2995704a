"""Small mutable state beside the tables: what people typed in and what programs remember.

SQLite in the lake's folder, or another database. Losing it loses what people typed in, never evidence, so it belongs
into a backup (docs/operate.md). One file a noun.
"""

from __future__ import annotations

from pathlib import Path

from noroshi.lake.state.audit import Audit
from noroshi.lake.state.cases import Cases
from noroshi.lake.state.database import Database
from noroshi.lake.state.deliveries import Deliveries, Delivery
from noroshi.lake.state.jobs import Jobs, JobState
from noroshi.lake.state.notices import Notices
from noroshi.lake.state.operators import Operators
from noroshi.lake.state.optouts import OptOuts
from noroshi.lake.state.pulls import Pulls
from noroshi.lake.state.recipients import Recipients
from noroshi.lake.state.releases import Releases
from noroshi.lake.state.sessions import Sessions
from noroshi.lake.state.tokens import Tokens
from noroshi.lake.state.users import Users
from noroshi.lake.state.watches import Watches

__all__ = ["Database", "Delivery", "JobState", "State"]


class State:
    """The state of a lake, opened; raises LakeError when it cannot be read or is of a newer version."""

    def __init__(self, lake: Path, url: str = "") -> None:
        self.db = Database(lake, url)
        self.where = self.db.where
        self.watches = Watches(self.db)
        self.deliveries = Deliveries(self.db)
        self.jobs = Jobs(self.db)
        self.recipients = Recipients(self.db)
        self.tokens = Tokens(self.db)
        self.audit = Audit(self.db)
        self.notices = Notices(self.db)
        self.operators = Operators(self.db)
        self.optouts = OptOuts(self.db)
        self.users = Users(self.db)
        self.sessions = Sessions(self.db)
        self.cases = Cases(self.db)
        self.pulls = Pulls(self.db)
        self.releases = Releases(self.db)
