"""Three kinds of import contract that import-linter does not come with.

``allow_list``: a package imports nothing of ours but what is listed. The ready-made ``forbidden`` says the
opposite, and so lets through whatever room is added later.

``reserved``: an outside package is imported by the listed modules only.

``unavailable``: the listed packages import none of these outside packages. Unlike ``forbidden``, it minds
direct imports only, and a package of ours that is not there yet.
"""

from __future__ import annotations

from abc import abstractmethod

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


def _within(module: str, packages: list[str]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


class _DirectImports(Contract):
    """Reports single imports, each with its lines."""

    @abstractmethod
    def _forbidden(self, graph: ImportGraph) -> list[tuple[str, str]]:
        """Importer and imported of every import that breaks it."""

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002
        broken = []
        for importer, imported in sorted(self._forbidden(graph)):
            details = graph.get_import_details(importer=importer, imported=imported)
            broken.append((importer, imported, [detail["line_number"] for detail in details]))
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for importer, imported, lines in check.metadata["broken"]:
            where = ", ".join(f"l.{line}" for line in lines)
            output.print_error(f"{importer} is not allowed to import {imported} ({where})")


class AllowListContract(_DirectImports):
    """``importers`` (but ``except_importers``) import, of our packages, only themselves and ``allowed``."""

    type_name = "allow_list"

    importers = fields.ListField(subfield=fields.StringField())
    except_importers = fields.ListField(subfield=fields.StringField(), required=False, default=[])
    allowed = fields.ListField(subfield=fields.StringField())

    def _forbidden(self, graph: ImportGraph) -> list[tuple[str, str]]:
        ours = {"service", "policies"}
        open_to_them = [*self.importers, *self.allowed]
        return [
            (module, imported)
            for module in graph.modules
            if _within(module, self.importers) and not _within(module, self.except_importers)
            for imported in graph.find_modules_directly_imported_by(module)
            if imported.partition(".")[0] in ours
            and (not _within(imported, open_to_them) or _within(imported, self.except_importers))
        ]


class ReservedContract(_DirectImports):
    """``packages`` from outside are imported by ``importers`` only."""

    type_name = "reserved"

    packages = fields.ListField(subfield=fields.StringField())
    importers = fields.ListField(subfield=fields.StringField())

    def _forbidden(self, graph: ImportGraph) -> list[tuple[str, str]]:
        return [
            (importer, package)
            for package in self.packages
            if package in graph.modules
            for importer in graph.find_modules_that_directly_import(package)
            if not _within(importer, self.importers)
        ]


class UnavailableContract(_DirectImports):
    """``importers`` import none of the outside ``packages``."""

    type_name = "unavailable"

    packages = fields.ListField(subfield=fields.StringField())
    importers = fields.ListField(subfield=fields.StringField())

    def _forbidden(self, graph: ImportGraph) -> list[tuple[str, str]]:
        return [
            (importer, package)
            for package in self.packages
            if package in graph.modules
            for importer in graph.find_modules_that_directly_import(package)
            if _within(importer, self.importers)
        ]
