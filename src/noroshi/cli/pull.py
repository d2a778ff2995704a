"""`noroshi pull`: takes in what a TAXII server or MISP feed has that is new."""

from __future__ import annotations

import click

from noroshi.cli import out
from noroshi.cli.state import State, verb


@verb("pull")
@click.argument("what", required=False, metavar="[NAME|URL]")
@click.option(
    "--kind", type=click.Choice(["taxii", "misp-feed"]), help="What an address is; NAME says it itself."
)
@click.option("--collection", "collections", multiple=True, metavar="ID",
              help="Id or title of a TAXII collection; all that may be read unless given.")  # fmt: skip
@click.option(
    "--source", metavar="NAME", default="", help="The name the rows' source gets; the address's otherwise."
)
@click.option(
    "--tlp", metavar="MARKING", default="", help="Marking of what carries none; AMBER+STRICT otherwise."
)
@click.option(
    "--api-key-env", metavar="VARIABLE", default="", help="The environment variable that holds the key."
)
@click.option("--user-env", metavar="VARIABLE", default="", help="The one that holds the user's name, ...")
@click.option("--password-env", metavar="VARIABLE", default="", help="... and the password.")
@click.option("--again", is_flag=True, help="Forget up to where it was read, and begin anew.")
@click.option("--list", "listed", is_flag=True, help="Only show what is known of each server.")
def command(
    state: State, what: str | None, kind: str | None, collections: tuple[str, ...], source: str, tlp: str,
    api_key_env: str, user_env: str, password_env: str, again: bool, listed: bool,
) -> int:  # fmt: skip
    """Takes in what is new: of the [[job]] called NAME, of the address, or of all jobs that pull.

    Only what is new since the last time is asked for. Asked for by name or address, a server is tried at once, whatever
    failed before.
    """
    from noroshi.config import check_pull
    from noroshi.lake.state import State as Kept
    from noroshi.model.errors import UsageError
    from noroshi.work.pull import entry_of, named, pull

    config = state.config()
    if listed:
        return _list(state)
    given = {"collections": list(collections), "source": source, "tlp": tlp, "api_key_env": api_key_env,
             "user_env": user_env, "password_env": password_env}  # fmt: skip
    if what and "://" in what:
        entry = entry_of(what, kind or "", config, **given)
        if not entry.kind:
            raise UsageError(
                "it is not said what the address is", todo="Add --kind taxii or --kind misp-feed."
            )
        check_pull(entry, "noroshi pull")
        entries = [entry]
    elif what:
        entries = [named(what, config)]
    else:
        entries = [j for j in config.jobs if j.do == "pull"]
        if not entries:
            raise UsageError(
                "there is nothing to pull", todo='Give an address, or write a [[job]] with do = "pull".'
            )
    lake = state.lake(create=True)
    kept = Kept(lake.path)
    failed, told = 0, []
    for entry in entries:
        if again:
            kept.pulls.forget(entry.name or entry.do)
        done = pull(lake, config, kept, entry, force=bool(what))
        for problem in done.problems:
            out.warn(f"{done.name}: {problem}")
        if done.error:
            failed += 1
            out.warn(f"{done.name}: {done.error}")
        told.append({
            "name": done.name, "objects": done.objects, "runs": done.runs, "rows": done.rows,
            "problems": done.problems, "error": done.error,
            "waits_until": done.waits_until.isoformat().replace("+00:00", "Z") if done.waits_until else None,
        })  # fmt: skip
        out.say(state, f"{done.name}: {done.told()}.")
    if state.json:
        out.emit(told)
    return 3 if failed else 0


def _list(state: State) -> int:
    from noroshi.lake.state import State as Kept

    rows = Kept(state.lake().path).pulls.all()
    if state.json:
        out.emit([
            {"name": r.name, "url": r.url, "kind": r.kind, "objects": r.objects, "tries": r.tries, "problem": r.problem,
             "last_ok": r.last_ok, "next_try": r.next_try} for r in rows
        ])  # fmt: skip
        return 0
    shown = [
        [r.name, r.kind, r.objects, f"{r.last_ok:%Y-%m-%d %H:%M}" if r.last_ok else "never",
         f"{r.next_try:%Y-%m-%d %H:%M}" if r.next_try else "", r.problem.split("\n")[0]] for r in rows
    ]  # fmt: skip
    out.table(["name", "kind", "objects", "last good", "not before", "problem"], shown, right=["objects"])
    return 0
