"""What a run will cost, counted by hand."""

from research import configuration, loop
from research.costs import Cost
from research.forecast import costs_of_run, report


def smoke(*overrides):
  return configuration.load('configs/coherence/digits.py:smoke', [*overrides])


def test_the_costs_of_a_run():
  population = loop.build(smoke('instruments.noise_scale.on=batch'))
  update, measured, probe = costs_of_run(population, 20)
  assert (update.name, measured.name) == ('update', 'update with noise_scale')
  assert probe.name == 'measure coherence'
  assert update.times + measured.times == 20
  assert probe.times > 1
  n_parameters = 64 * 16 + 16 * 10
  assert update.flops == 3 * (3 * 2 * 16 * n_parameters - 2 * 16 * 64 * 16)  # members, examples
  assert measured.flops > update.flops
  assert measured.temporary_bytes > 0


def test_the_report_says_what_instruments_add():
  update = Cost(name='update', times=9, flops=100, temporary_bytes=2_000_000)
  measured = Cost(name='update with noise_scale', times=1, flops=150, temporary_bytes=0)
  probe = Cost(name='measure coherence', times=2, flops=100, temporary_bytes=0)
  text = report([update, measured, probe])
  assert '| update | 9 | 1e-07 | 2 |' in text
  assert text.endswith('instruments add 25.0% to the operations of training')  # 50 and 200 on 1000
