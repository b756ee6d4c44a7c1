"""Contains one file for each family of networks."""
