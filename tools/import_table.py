"""A contract of import-linter: a table of which package may use which.

Every package of the roots has a line, `name: what it uses`, lowest first: what a line
names stands above it, so that nothing runs back up, and what it does not name it may
not use. The modules that lie in the first root itself are its words: everybody may
use them, and they use each other alone. `core` is the compiled one, which
import-linter does not see; tests/test_tidy.py looks after who has it in its line.
"""

from pathlib import Path

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output
from importlinter.domain.contract import InvalidContractOptions


def read_table(lines: list[str]) -> dict[str, set[str]]:
    """What each package may use. ValueError for a line that names what comes later."""
    table: dict[str, set[str]] = {"core": set()}
    for line in lines:
        name, _, used = line.partition(":")
        if name in table or not {*used.split()} <= table.keys():
            raise ValueError(f"twice, or not above it: {line}")
        table[name] = {*used.split()}
    return table


class ImportTable(Contract):
    """`lines` is the table; a package without a line, or a line of none, breaks it."""

    type_name = "table"
    lines = fields.ListField(subfield=fields.StringField())

    def validate(self) -> None:
        """Called before any check."""
        try:
            self.table = read_table(self.lines)  # type: ignore[arg-type]
        except ValueError as error:
            raise InvalidContractOptions({"lines": str(error)}) from None

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Compare each import with the importer's line."""
        roots: list[str] = self.session_options["root_packages"]
        home: dict[str, str] = {}
        for module in graph.modules:
            root, *names = module.split(".")
            if root != roots[0]:
                home[module] = root
            elif names and (names[0] == "__main__" or Path(root, names[0]).is_dir()):
                home[module] = names[0]
            else:
                home[module] = "words"
        table = self.table | {"words": set()}
        may_use = {name: {name, "words", *used} for name, used in table.items()}
        wrong = [
            f"{module} uses {used}"
            for module in sorted(graph.modules)
            for used in sorted(graph.find_modules_directly_imported_by(module))
            if home[used] not in may_use.get(home[module], set())
        ]
        packages = {*home.values()} | {"core", "words"}
        wrong += [f"{name} has no line" for name in sorted(packages - table.keys())]
        wrong += [f"{name} has gone" for name in sorted(table.keys() - packages)]
        return ContractCheck(kept=not wrong, metadata={"wrong": wrong})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Say what stands in no line."""
        for line in check.metadata["wrong"]:
            output.print_error(f"- {line}", bold=False)
