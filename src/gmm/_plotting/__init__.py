"""Pictures of mixtures, with matplotlib, which is imported in this package alone."""

from gmm._versions import install_line as _install_line

try:
    import matplotlib as _matplotlib  # noqa: F401
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        f"gmm.plotting draws with matplotlib, which is not installed: {_install_line('plot')}", name=_error.name
    ) from None
