"""Studies: one module for each paper or question: which runs, which figures, which claims.

A study is a module with

  TITLE
  EXPERIMENTS         {name: Experiment}: the runs
  CALCULATIONS        {name: () -> DataFrame}: tables that take no runs
  CLAIMS              predicates on the tables of experiments and calculations
  FIGURES             {name: (table -> Figure, experiment)}
  summary(tables)     a small table for the terminal
  reading(tables)     the first paragraph of the card, or ''
"""

from research.studies import generalization_mystery, real_and_random_labels

STUDIES = {
  'real_and_random_labels': real_and_random_labels,
  'generalization_mystery': generalization_mystery,
}
