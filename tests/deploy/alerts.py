#!/usr/bin/env python3
"""Holds docs/deploy/alerts.yaml against the runbook of docs/operating.md and the series of the manual.

usage: alerts.py

Each rule names its row in the runbook, each row its rule; a row's table says the severity; what a
rule asks about is a series that operating.md or cluster.md has (which tests of the program hold).
Prints one line for each check and ends with `N passed, N failed`.
"""

import pathlib
import re

import yaml

from checks import check, finish

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
# What Prometheus makes of a family's name.
SUFFIX = re.compile(r"_(total|bucket|count|sum|info)$")


def rows(runbook):
    """The rows of both tables: what happened, its alert, and how urgent it is."""
    severity = "page"
    for line in runbook.splitlines():
        if line.startswith("### For the morning"):
            severity = "ticket"
        if line.startswith("| ") and not line.startswith(("| ---", "| what |")):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            yield cells, severity


def main():
    [group] = yaml.safe_load((DOCS / "deploy/alerts.yaml").read_text())["groups"]
    manual, runbook = (DOCS / "operating.md").read_text().split("\n## Runbook")
    runbook = runbook.split("\n## ")[0]
    found = list(rows(runbook))
    check("each row has four cells", all(len(cells) == 4 for cells, _ in found),
          [cells[0] for cells, _ in found if len(cells) != 4])
    named = {cells[1].strip("`"): (cells[0], severity) for cells, severity in found
             if cells[1] != "–"}
    rules = {rule["alert"]: rule for rule in group["rules"]}
    check("each rule has a name of its own", len(rules) == len(group["rules"]))
    check("each rule has a row and each row a rule", set(rules) == set(named),
          set(rules) ^ set(named))
    check("one row alone has none", len(found) - len(named) == 1)
    known = set(re.findall(r"`(bridge_\w+)", manual + (DOCS / "cluster.md").read_text()))
    known |= {SUFFIX.sub("", name) for name in known}
    for name, rule in rules.items():
        what, severity = named.get(name, ("", ""))
        says = rule["annotations"]
        good = says["runbook"] == what and rule["labels"]["severity"] == severity and says["summary"]
        asked = set(re.findall(r"\bbridge_\w+", rule["expr"]))
        strange = {one for one in asked if SUFFIX.sub("", one) not in known}
        check(f"{name} is the row `{what}`, a {severity}, of series that there are",
              good and asked and not strange, (says, rule["labels"], strange))
    finish()


main()
