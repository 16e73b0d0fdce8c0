"""The referee of a contest: which quantity ranks networks as their generalization gap does.

Everything reads one tidy table, `networks`, with a row per trained network: its hyperparameters, whose
names the caller gives; `seed`; `gap`, test minus training error; `n_test`, examples in the test set;
and a column per measure, not finite where it could not be computed. By convention a larger measure
predicts a larger gap.

- contest: the table, checked, as arrays
- couples: the pairs of networks that differ in one hyperparameter alone
- scores: Kendall's tau, and its granulated form
- information: what a measure tells of the gap that one or two hyperparameters do not
- robust: sign errors in environments, and the worst of them
- within: Kendall's tau among networks whose samples are of one kind
- baselines: what knows the gap, and what knows nothing
- intervals: what other networks might have shown
- held_out: combinations of measures, learned on some networks and judged on others
- ranking: all of it, a row per measure
"""
