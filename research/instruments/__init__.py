"""Instruments: pure measurements of a network during training.

An instrument is one function in one file that returns an `Instrument` or a `GradientInstrument`; to
mount it on a run, name it in the dict below and give it a section in the config.
"""

from research.instruments.alignment import confusion, g_vendi, stiffness
from research.instruments.batch_coherence import batch_coherence
from research.instruments.coherence import coherence
from research.instruments.groups import group_coherence
from research.instruments.instrument import GradientInstrument, Instrument
from research.instruments.noise import gsnr, noise_scale
from research.instruments.norms import gradient_norms
from research.instruments.panel import Mounted, due, make_gradient, make_measure, mount
from research.instruments.sharpness import sharpness

INSTRUMENTS = {
  'batch_coherence': batch_coherence,
  'coherence': coherence,
  'confusion': confusion,
  'g_vendi': g_vendi,
  'gradient_norms': gradient_norms,
  'group_coherence': group_coherence,
  'gsnr': gsnr,
  'noise_scale': noise_scale,
  'sharpness': sharpness,
  'stiffness': stiffness,
}

__all__ = [
  'INSTRUMENTS',
  'GradientInstrument',
  'Instrument',
  'Mounted',
  'due',
  'make_gradient',
  'make_measure',
  'mount',
]
