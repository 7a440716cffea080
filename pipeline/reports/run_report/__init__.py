"""The report of a run: its figures, some of its pictures, and the page that shows both."""
