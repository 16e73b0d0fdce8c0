"""Figures: each file has one `figure(table) -> Figure`, a function of a tidy table and no more.

Nothing here trains, reads runs, or needs a display: `research.tables` reads, `style.save` writes.
"""
