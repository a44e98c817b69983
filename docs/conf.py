"""How Sphinx builds these pages: ``python -m sphinx -W --keep-going -b html docs build/docs``."""

import sys
from pathlib import Path

import gmm

sys.path[:0] = [str(Path(__file__).parent / "extensions"), str(Path(__file__).parents[1])]  # the latter for benchmarks

project = "gmm"
author = "The gmm-em developers"
copyright = author
release = gmm.__version__

extensions = [
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "command_line",
    "exclusions",
    "mathml",
    "public_names",
    "self_contained",
    "subscripts",
]
exclude_patterns = ["gallery", "templates"]
templates_path = ["templates"]

# A broken reference is a warning, and the build takes warnings for errors.
nitpicky = True
nitpick_ignore_regex = [
    ("py:obj", r"[a-z_]+"),  # a word in single backquotes that is no name of ours is a parameter
    ("py:.*", r"(numpy|matplotlib|pandas|polars|sklearn)\b.*"),  # an inventory of theirs would need a network
]
default_role = "py:obj"

myst_enable_extensions = ["attrs_inline", "colon_fence", "dollarmath"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

autodoc_typehints = "none"  # the docstrings give types, with shapes and units
toc_object_entries_show_parents = "hide"  # "On this page" is narrow
numpydoc_show_class_members = False  # docs/templates/autosummary/class.rst lists methods, each on a page of its own

plot_formats = [("png", 140)]
plot_html_show_formats = False
plot_html_show_source_link = False

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "subsection_order": [f"gallery/{group}" for group in ("first_look", "choosing", "applications", "inside")],
    "backreferences_dir": "generated/backreferences",  # which pages of the gallery use a function
    "doc_module": ("gmm",),
    "within_subsection_order": "FileNameSortKey",
    "remove_config_comments": True,
    "capture_repr": ("_repr_html_",),
    "thumbnail_size": (640, 448),  # twice what a card shows
    "write_computation_times": False,
    "show_signature": False,
    "min_reported_time": 1e9,
}

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = f"gmm {release}"  # in the title of every page
html_favicon = "static/logo.svg"
html_static_path = ["static"]
html_css_files = ["gmm.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "logo": {
        "text": html_title,
        "image_light": "static/logo.svg",
        "image_dark": "static/logo-dark.svg",
        "alt_text": "",
    },
    "show_prev_next": False,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"index": [], "measurements": [], "command-line": [], "command-line-options": []}
