"""Instruments: pure measurements of a network during training.

An instrument is one function in one file that returns an `Instrument` or a `GradientInstrument`; to
mount it on a run, name it in the dict below and give it a section in the config.
"""

from research.instruments.adversarial import adversarial
from research.instruments.alignment import confusion, g_vendi, stiffness
from research.instruments.batch_coherence import batch_coherence
from research.instruments.block_coherence import block_coherence
from research.instruments.boundary import boundary_angle
from research.instruments.coherence import coherence
from research.instruments.groups import group_coherence
from research.instruments.inductive_bias import inductive_bias
from research.instruments.instrument import GradientInstrument, Instrument, Network
from research.instruments.noise import gsnr, noise_scale
from research.instruments.norms import gradient_norms
from research.instruments.panel import (
  Mounted,
  due,
  make_gradient,
  make_measure,
  make_measure_by_chunks,
  mount,
)
from research.instruments.reliance import reliance
from research.instruments.sharpness import sharpness
from research.instruments.simplicity import simple_explanation
from research.instruments.starvation import starvation
from research.instruments.universal import universal

INSTRUMENTS = {
  'adversarial': adversarial,
  'batch_coherence': batch_coherence,
  'block_coherence': block_coherence,
  'boundary_angle': boundary_angle,
  'coherence': coherence,
  'confusion': confusion,
  'g_vendi': g_vendi,
  'gradient_norms': gradient_norms,
  'group_coherence': group_coherence,
  'inductive_bias': inductive_bias,
  'gsnr': gsnr,
  'noise_scale': noise_scale,
  'reliance': reliance,
  'sharpness': sharpness,
  'simple_explanation': simple_explanation,
  'starvation': starvation,
  'stiffness': stiffness,
  'universal': universal,
}

__all__ = [
  'INSTRUMENTS',
  'GradientInstrument',
  'Instrument',
  'Mounted',
  'Network',
  'due',
  'make_gradient',
  'make_measure',
  'make_measure_by_chunks',
  'mount',
]
