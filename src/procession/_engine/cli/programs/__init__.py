"""The programs of the tour: run as files of their own, never imported."""
