"""Everything that holds for all tests of the checkout."""

pytest_plugins = ["tests.skips"]
