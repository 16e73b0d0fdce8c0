"""Measures of generalization: what theories say that the gap of a trained network depends on.

measure.py  what a measure is

A family of measures is one function in one file, from a `Trained` network to numbers by name. To enter
another in the contest, name it in the dict below.
"""

from research.measures.measure import Measure, Trained

MEASURES: dict[str, Measure] = {}

__all__ = ['MEASURES', 'Measure', 'Trained']
