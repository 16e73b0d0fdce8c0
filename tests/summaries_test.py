"""Numbers read off a table, against computations by hand."""

import numpy as np
import pandas as pd
import pytest

from research import summaries


def curve(steps, values, member=0):
  return pd.DataFrame({'step': steps, 'member': member, 'x': values})


def test_means_over_time_do_not_depend_on_the_schedule():
  """10 - step / 2 over steps 1 to 11 has the mean 7, however densely it is measured."""
  for steps in ([1, 11], [1, 2, 3, 11], [1, 6, 9, 10, 11]):
    rows = pd.concat([curve(steps, 10 - np.array(steps) / 2), curve([4], np.nan)])
    np.testing.assert_allclose(summaries.time_average(rows, 'x'), 7)


def test_a_member_that_was_never_measured_is_nan():
  rows = pd.concat([curve([1, 2], 3.0), curve([1, 2], np.nan, member=1)])
  averages = summaries.time_average(rows, 'x')
  assert averages[0] == 3.0
  assert np.isnan(averages[1])


def test_the_initialization_is_in_no_window_of_epochs():
  table = pd.DataFrame({'step': [0, 1, 10, 20], 'train/epoch': [0, 0.1, 1.0, 2.0]})
  assert summaries.in_epochs(table, 0.0, 1.0)['step'].tolist() == [1, 10]
  assert summaries.in_epochs(table, 1.0, np.inf)['step'].tolist() == [10, 20]


def test_who_learned_the_rule_alone_has_no_gap_and_who_memorized_has():
  e = pd.Series([0.0, 0.5, 1.0, 0.5])
  rule = pd.DataFrame(
    {'task.label_noise': e, 'train/accuracy': 1 - e + e / 10, 'test/accuracy': 1.0}
  )
  np.testing.assert_allclose(summaries.generalization_gap(rule), 0, atol=1e-12)
  memorized = rule.assign(**{'train/accuracy': 1.0})
  np.testing.assert_allclose(summaries.generalization_gap(memorized), 0.9 * e)


def test_a_run_is_a_row_and_a_lost_network_is_not_passed_over():
  rows = []
  for run, offset in (('a', 1.0), ('b', 2.0)):
    for member in (0, 1):
      for epoch in (0, 1, 2, 4, 8):
        early = 1 <= epoch <= 4
        value = offset + member if early else 99.0
        rows.append({'run': run, 'member': member, 'step': 10 * epoch, 'train/epoch': epoch})
        rows[-1] |= {'task.label_noise': 0.0, 'x': value, 'train/accuracy': 1.0}
        rows[-1]['test/accuracy'] = 0.75
  table = pd.DataFrame(rows)
  found = summaries.early_means_and_gaps(table, ['x'])
  assert found['x'].to_dict() == {'a': 1.5, 'b': 2.5}
  assert found['gap'].tolist() == [0.25, 0.25]
  lost = (table['run'] == 'b') & (table['member'] == 1)
  found = summaries.early_means_and_gaps(table.assign(x=table['x'].where(~lost)), ['x'])
  assert found['x'].isna().tolist() == [False, True]


def test_a_mean_and_its_standard_error_for_people():
  assert summaries.plus_minus(pd.Series([1.0, 2.0, 3.0]), '.2f') == '2.00 ± 0.58'
  assert summaries.plus_minus(pd.Series([1.0]), '.1f') == '1.0'
  assert summaries.plus_minus(pd.Series([np.nan]), '.1f') == '–'
  assert summaries.last(curve([1, 2], [3.0, 4.0]))['x'].tolist() == [4.0]
  assert pytest.approx(0.5) == summaries.time_average(curve([5], [0.5]), 'x')[0]
