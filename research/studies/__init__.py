"""Studies: one file for each paper or question: which runs, which figures, which claims.

A study is a module with TITLE, CONFIG (file and scale, whose `sweep()` lists the runs), INSTRUMENTS
(those it reads), CLAIMS, FIGURES ({name: table -> Figure}) and `summary(table)`, a small table for
the terminal.
"""

from research.studies import real_and_random_labels

STUDIES = {'real_and_random_labels': real_and_random_labels}
