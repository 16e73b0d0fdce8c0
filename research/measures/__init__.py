"""Measures of generalization: what theories say that the gap of a trained network depends on.

measure.py       what a measure is

layers.py        which weights are matrices, and norms of matrices and convolutions
scaling.py       the number of examples in a measure
counts.py        parameters, and what they could shatter
margins.py       of the training examples
norms.py         lengths of the parameters and of their way
spectral.py      products and sums of the norms of layers
path.py          products of weights along paths

examples.py      which training examples a measure looks at
perturbation.py  the largest noise that a network withstands
pac_bayes.py     bounds and flatness by random noise
worst_case.py    flatness in the worst direction
sharpness.py     one ascent step, the Hessian, Fisher-Rao norms
gradients.py     coherence, noise and lengths of the examples' gradients
linear.py        how much a linear classifier explains
evidence.py      log evidence of the labels and of the function, under wide networks
population.py    disagreement of networks on unlabelled inputs: of populations, so not in the dict

A family of measures is one function in one file, from a `Trained` network to numbers by name. To enter
another in the contest, name it in the dict below.
"""

from research.measures.counts import counts
from research.measures.evidence import evidence
from research.measures.gradients import gradients
from research.measures.linear import linear
from research.measures.margins import margins
from research.measures.measure import Measure, Trained
from research.measures.norms import norms
from research.measures.pac_bayes import pac_bayes
from research.measures.path import path
from research.measures.sharpness import sharpness
from research.measures.spectral import exact_spectral, frobenius, spectral
from research.measures.worst_case import worst_case

MEASURES: dict[str, Measure] = {
  'counts': counts,
  'evidence': evidence,
  'exact_spectral': exact_spectral,
  'frobenius': frobenius,
  'gradients': gradients,
  'margins': margins,
  'norms': norms,
  'pac_bayes': pac_bayes,
  'path': path,
  'sharpness': sharpness,
  'linear': linear,
  'spectral': spectral,
  'worst_case': worst_case,
}

__all__ = ['MEASURES', 'Measure', 'Trained']
