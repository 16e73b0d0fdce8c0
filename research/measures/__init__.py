"""Measures of generalization: what theories say that the gap of a trained network depends on.

measure.py   what a measure is
layers.py    which weights are matrices, and norms of matrices and convolutions
scaling.py   the number of examples in a measure
counts.py    parameters, and what they could shatter
margins.py   of the training examples
norms.py     lengths of the parameters and of their way
spectral.py  products and sums of the norms of layers
path.py      products of weights along paths

A family of measures is one function in one file, from a `Trained` network to numbers by name. To enter
another in the contest, name it in the dict below.
"""

from research.measures.counts import counts
from research.measures.margins import margins
from research.measures.measure import Measure, Trained
from research.measures.norms import norms
from research.measures.path import path
from research.measures.spectral import exact_spectral, frobenius, spectral

MEASURES: dict[str, Measure] = {
  'counts': counts,
  'margins': margins,
  'norms': norms,
  'frobenius': frobenius,
  'spectral': spectral,
  'exact_spectral': exact_spectral,
  'path': path,
}

__all__ = ['MEASURES', 'Measure', 'Trained']
