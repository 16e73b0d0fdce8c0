"""Closed forms, and estimates of what they need: no network and no training in here.

- information: mutual information of variables with finitely many values, exact and from samples
- starvation: which features of a linear model with cross-entropy are learned, and which starve
"""
