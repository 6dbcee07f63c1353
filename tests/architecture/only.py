"""A kind of contract for import-linter: a room imports, of all that is ours, only what is listed for it."""

from __future__ import annotations

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class OnlyContract(Contract):
    """`importers` (rooms with all in them) may import each other and `allowed`, directly; nothing else that is ours."""

    type_name = "only"

    importers = fields.ListField(subfield=fields.StringField())
    allowed = fields.ListField(subfield=fields.StringField(), default=[])

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        rooms, may = tuple(self.importers), (*self.importers, *self.allowed)
        missing = [name for name in may if name not in graph.modules]
        ours = [module for module in graph.modules if not graph.is_module_squashed(module)]
        broken = [
            f"{importer} imports {imported}"
            for importer in ours
            if _within(importer, rooms)
            for imported in graph.find_modules_directly_imported_by(importer)
            if not graph.is_module_squashed(imported) and not _within(imported, may)
        ]
        lines = [*sorted(broken), *(f"{name} does not exist" for name in missing)]
        return ContractCheck(kept=not lines, metadata={"lines": lines})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for line in check.metadata["lines"]:
            output.print_error(line)


def _within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)
