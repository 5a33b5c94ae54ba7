"""Sphinx configuration: `make docs` builds without a warning or fails."""

import sktransfer

project = "sktransfer"
copyright = "2026, the sktransfer developers"
version = release = sktransfer.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
root_doc = "index"
exclude_patterns = ["_build", "auto_examples/*.ipynb", "auto_examples/*.py"]
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_theme = "pydata_sphinx_theme"
html_title = "sktransfer"
html_theme_options = {
    "show_nav_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
}
html_show_sourcelink = False

autosummary_generate = True
# The request methods that scikit-learn generates refer to labels of its own manual.
REQUESTS = ["fit", "partial_fit", "transform", "predict", "predict_proba"]
REQUESTS += ["predict_log_proba", "decision_function", "score", "split"]
autodoc_default_options = {
    "members": True,
    "inherited-members": True,
    "exclude-members": ", ".join(
        ["get_metadata_routing", "set_callbacks", "set_output"]
        + ["get_params", "set_params", "__init__"]
        + [f"set_{name}_request" for name in REQUESTS]
    ),
}
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

# No inventory is fetched: the build must work without a network.
intersphinx_mapping = {}

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "abort_on_example_error": True,
    "doc_module": ("sktransfer",),
    "backreferences_dir": "api/generated/backreferences",
    "reference_url": {"sktransfer": None},
}
