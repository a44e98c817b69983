"""What every test shares: how hypothesis searches."""

from hypothesis import settings

# The same examples on every run: a failure in CI is the failure at home.
settings.register_profile("gmm", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("gmm")
