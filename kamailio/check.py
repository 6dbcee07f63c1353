"""`check.py <edge.py>`: import a rendered script as Kamailio does, its interface a stand-in; exits 1 if broken.

Runs in the interpreter that Kamailio embeds, so it also finds what that one lacks.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import types
from pathlib import Path
from typing import Any


class Anything(types.ModuleType):
    """Has every name, and every name may be called."""

    def __getattr__(self, name: str) -> Any:
        return Anything(name)

    def __call__(self, *arguments: object) -> int:
        return 1


def callbacks(directory: Path) -> set[str]:
    """The names that the configuration beside the script and the script itself give to Kamailio."""
    texts = [(Path(__file__).parent / "kemi.py").read_text(encoding="utf-8")]
    configuration = directory / "kamailio.cfg"
    if configuration.exists():
        texts.append(configuration.read_text(encoding="utf-8"))
    return {name for text in texts for name in re.findall(r"[\"=](ksr_[a-z_]+)\"", text)}


def main() -> int:
    path = Path(sys.argv[1])
    sys.modules["KSR"] = Anything("KSR")
    spec = importlib.util.spec_from_file_location("edge", path)
    if spec is None or spec.loader is None:
        print(f"{path} cannot be loaded", file=sys.stderr)
        return 1
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        edge = module.mod_init()
    except Exception as error:  # noqa: BLE001 - any fault means the same: do not start with it
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    missing = [name for name in sorted(callbacks(path.parent) | {"ksr_request_route"}) if not hasattr(edge, name)]
    if missing:
        print(f"{', '.join(missing)} named but not written", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
