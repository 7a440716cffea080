"""How Sphinx makes the pages: ``make docs``."""

from __future__ import annotations

import importlib.util
import sys
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
OURS = {"beam_deeplab", "deeplab", "scenes", "transforms", "pipeline"}

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


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: nodes.TextElement
) -> nodes.Node | None:
    """Leads names that a package exports to where they are defined.

    What somebody wrote as a role must lead somewhere, or the build fails; types in signatures,
    and errors and bases of other libraries, are shown as they are.
    """
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    package, _, name = target.rpartition(".")
    domain = env.domains.python_domain
    homes = [
        full
        for full in domain.objects
        if package and full.startswith(f"{package}.") and full.endswith(f".{name}")
    ]
    if len(homes) == 1:
        return domain.resolve_xref(
            env, node["refdoc"], app.builder, node["reftype"], homes[0], node, shown
        )
    root = target.partition(".")[0]
    ours = root in OURS or importlib.util.find_spec(root) is None
    return None if ours and isinstance(shown, nodes.literal) else shown


def setup(app: Sphinx) -> None:
    """Connects what is above."""
    app.connect("missing-reference", resolve)
