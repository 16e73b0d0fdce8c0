"""Studies: one module for each paper or question: which runs, which figures, which claims.

A study is a module with

  TITLE
  EXPERIMENTS         {name: Experiment}: the runs
  CALCULATIONS        {name: () -> DataFrame}: tables that take no runs
  MEASUREMENTS        {name: (run directories -> DataFrame, experiment)}: tables of trained networks
  CLAIMS              predicates on the tables of experiments and calculations
  FIGURES             {name: (tables -> Figure, the name of each table that it draws)}
  summary(tables)     a small table for the terminal
  reading(tables)     the first paragraph of the card, or ''
"""

from research.studies import (
  accelerated_sgd,
  benign_overfitting,
  contest,
  contrastive_simplicity,
  exact_inductive_bias,
  generalization_mystery,
  gradient_starvation,
  linear_dynamics,
  pitfalls,
  real_and_random_labels,
  sensitivity,
  task_difficulty,
  two_worlds,
  universality_lens,
  wide_and_deep,
)

STUDIES = {
  'real_and_random_labels': real_and_random_labels,
  'generalization_mystery': generalization_mystery,
  'gradient_starvation': gradient_starvation,
  'pitfalls': pitfalls,
  'contrastive_simplicity': contrastive_simplicity,
  'task_difficulty': task_difficulty,
  'exact_inductive_bias': exact_inductive_bias,
  'universality_lens': universality_lens,
  'linear_dynamics': linear_dynamics,
  'accelerated_sgd': accelerated_sgd,
  'sensitivity': sensitivity,
  'wide_and_deep': wide_and_deep,
  'benign_overfitting': benign_overfitting,
  'two_worlds': two_worlds,
  'contest': contest,
}
