"""How Sphinx makes the pages: ``make docs``."""

from __future__ import annotations

import importlib.util
import pkgutil
import sys
from collections.abc import Iterable
from importlib.metadata import version as installed_version
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

project = "beam-deeplab"
author = "the beam-deeplab authors"
version = release = installed_version("beam-deeplab")

sys.path.insert(0, str(Path(__file__).parent / "extensions"))
FLOORS = ("deeplab", "scenes", "transforms", "pipeline")

extensions = [
    "myst_parser",
    "sphinx.ext.apidoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "flags",
    "results",
]
html_theme = "furo"
html_title = f"{project} {version}"
exclude_patterns = ["photos/README.md"]
myst_heading_anchors = 3
nitpicky = True
nitpick_ignore_regex = [("py:obj", r".*T")]  # type variables
# The short name of an error in a "Raises:" may be another module's error's, too.
suppress_warnings = ["ref.python"]

apidoc_modules = [
    {
        "path": "../beam_deeplab",
        "destination": "modules",
        "follow_links": True,
        "separate_modules": True,
        "module_first": True,
    }
]
autodoc_default_options = {"members": True, "show-inheritance": True, "ignore-module-all": True}
autodoc_member_order = "bysource"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
napoleon_attr_annotations = False
napoleon_custom_sections = [("Environment", "params_style")]


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: nodes.TextElement
) -> nodes.Node | None:
    """Leads names to where they are defined: imported ones, and those that begin with a folder.

    What somebody wrote as a role must lead somewhere, or the build fails; types in signatures,
    and errors and bases of other libraries, are shown as they are.
    """
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    root = target.partition(".")[0]
    if root in FLOORS:
        root, target = "beam_deeplab", f"beam_deeplab.{target}"
    domain = env.domains.python_domain
    home = home_of(target, node.get("py:module"), domain.objects)
    if home is not None:
        return domain.resolve_xref(
            env, node["refdoc"], app.builder, node["reftype"], home, node, shown
        )
    ours = root == "beam_deeplab" or importlib.util.find_spec(root) is None
    return None if ours and isinstance(shown, nodes.literal) else shown


def home_of(target: str, module: str | None, documented: Iterable[str]) -> str | None:
    """The full name under which a name is documented, as seen from a module; None if under none."""
    package, _, last = target.rpartition(".")
    below = [name for name in documented if name.startswith(f"{package}.") and package]
    named = [name for name in below if name == target or name.endswith(f".{last}")]
    for full in (target, f"{module}.{target}"):
        try:
            found = pkgutil.resolve_name(full)
        except (ImportError, AttributeError, ValueError):
            continue
        module_of = getattr(found, "__module__", None)  # a slot of a class has none
        if module_of and hasattr(found, "__qualname__"):
            named.insert(0, f"{module_of}.{found.__qualname__}")
    return next((name for name in named if name in documented), None)


def setup(app: Sphinx) -> None:
    """Connects what is above."""
    app.connect("missing-reference", resolve)
