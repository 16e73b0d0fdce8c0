"""Closed forms, and estimates of what they need: no network and no training in here.

- accelerated_sgd: the risk of SGD and of its acceleration, by eigenvalue
- boolean: functions of n bits as tables, and how complex they are
- difficulty: bits that generalization takes, by the dimension and the separation of a task
- duals, wide_and_deep: activations as functions of cosines; networks of any depth, and their limits
- information: mutual information of variables with finitely many values, exact and from samples
- lazy: interpolants of least norm, on mixtures with turned labels
- linear_dynamics: errors of a linear student along training
- multiplicity: on how many examples models that are as good as the best disagree
- neighbours, dimension, separation, extremes: what the difficulty needs, estimated from data
- sensitivity: of interpolants of random and tangent features
- starvation: which features of a linear model with cross-entropy are learned, and which starve
- two_worlds: the same samples and networks with opposite test errors
- weight: of hypotheses, and the regret of a Bayes mixture over functions
"""
