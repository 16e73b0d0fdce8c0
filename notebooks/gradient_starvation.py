# %% [markdown]
# # Do features that are learned first starve the others?
#
# "Gradient Starvation" (Pezeshki et al. 2021) says that cross-entropy does: once a strong feature fits
# the labels, losses are small and so are all gradients, those that would teach a weaker feature
# included. To first order in the parameters the outputs of a network are $\hat y = \Phi\theta$; with
# labels $Y = \mathrm{diag}(\pm 1)$ its features are the singular vectors of $Y\Phi = U S V^\top$, and
# $z = U^\top Y \hat y$ says how much of each was learned. **Spectral decoupling** penalises the
# outputs, $\frac\lambda2 \|\hat y\|^2$, in place of the parameters; its minimum does not depend on S.
#
# This notebook reads the finished runs of the study and trains nothing: `GENLAB_RUNS` is the study's
# folder. Verdicts are read from its card, which judges each claim at 95 % confidence and lets it fail
# unless it is shown. As a plain script it prints, and leaves its figures in `$GENLAB_RUNS/figures`.

# %%
import os
import sys
import textwrap
from pathlib import Path

import research
from research.figures import style
from research.studies import card as cards
from research.studies import gradient_starvation as study
from research.studies.gradient_starvation import boundaries, features
from research.tables import load_runs
from research.workdirs import read_json

CHECKOUT = Path(research.__path__[0]).parent
RUNS = Path(os.environ.get('GENLAB_RUNS', CHECKOUT / 'runs/gradient_starvation/cpu'))

tables, runs = {}, {}
for name in study.EXPERIMENTS:
  configs = sorted((RUNS / name).glob('*/config.json'))
  unfinished = [path for path in configs if not path.with_name('DONE').exists()]
  if configs and not unfinished:
    tables[name] = load_runs(RUNS / name)
    runs[name] = [path.parent for path in configs]
  else:
    print(f'{name}: {len(unfinished)} runs unfinished' if unfinished else f'{name}: not run')
if not tables:
  sys.exit(
    f'no finished runs of this study in {RUNS}; run `python -m research.replicate'
    ' gradient_starvation` first, or set GENLAB_RUNS to its folder'
  )

card = read_json(RUNS / 'card.json') if (RUNS / 'card.json').exists() else None
if card is None:
  print(f'no card in {RUNS}: `python -m research.replicate` writes it when all runs are done')
else:
  print(f'scale {card["scale"]}, {card["minutes"]:g} minutes of training on {card["device"]}')
print(study.summary(tables).to_string())


# %%
def saved(figure: style.Figure, name: str) -> style.Figure:
  """Saves a figure beside the runs, and returns it, so that the notebook shows it."""
  for path in style.save(figure, RUNS / 'figures' / name):
    print(path)
  return figure


def show(name: str) -> style.Figure | None:
  """A figure of the study."""
  draw, experiment = study.FIGURES[name]
  if experiment not in tables:
    print(f'no figure: {experiment} is not here')
    return None
  return saved(draw(tables[experiment]), name)


def verdicts(question: str) -> None:
  """Prints what the card says of the claims in one file of the study, where they were measured."""
  names = [it.name for it in study.CLAIMS if it.judge.__module__.endswith(f'.{question}')]
  for claim in card['claims'] if card else ():
    if claim['name'] in names:
      line = f'{cards.VERDICTS[claim["holds"]]}: {cards.plus_minus(claim)}. {claim["claim"]}'
      line += f' The paper: {claim["paper"]}.' + (f' ({claim["note"]})' if claim['note'] else '')
      print(textwrap.fill(line, 100, subsequent_indent='  '))


# %% [markdown]
# ## Two examples, and two moons
#
# At the left is all of the theory in an example of two examples and two features. In the middle and at
# the right a network learns the moons: where a line separates them, where none does, and with the
# penalty on outputs. What starves is the weak feature in the second case.

# %%
show('starvation')

# %%
verdicts('toy')
verdicts('features')

# %% [markdown]
# The figure's basis is that of the kernel at each moment. By the kernel at initialization, which is
# what the paper shows, this is what was learned at the end:

# %%
if 'features' in runs:
  print(features.responses(runs['features']).groupby('run').mean().round(3).to_string())

# %% [markdown]
# ## What bends the boundary
#
# A line tells these moons apart, if closely; a curve would keep further away from all examples. Of all
# remedies, the paper finds that only spectral decoupling gives the curve. Thin lines are single
# networks, the thick one is the mean of their outputs.

# %%
if 'interventions' in runs:
  draw, _ = study.FIGURES['boundaries']
  saved(draw(boundaries.planes(runs['interventions'])), 'boundaries')
  table = boundaries.measured(runs['interventions']).groupby('run')
  print(table[['nonlinear_area', 'smallest_margin']].mean().round(3).to_string())

# %%
verdicts('interventions')

# %% [markdown]
# ## Colour and shape
#
# In Colored MNIST the colour tells the label better than the shape does, but for the test set, where it
# misleads. The authors' schedule divides loss and penalty by 50,000 at step 450: of no concern to
# where training ends, nor to Adam, if Adam had no memory. Two arms take the memory, or the division,
# away.

# %%
show('colored_mnist')

# %%
verdicts('colored_mnist')
if card and card['reading']:
  print('\n' + textwrap.fill(card['reading'], 100))

# %% [markdown]
# ## What replicated, and what did not

# %%
if card is not None:
  for holds, verdict in cards.VERDICTS.items():
    names = [claim['name'] for claim in card['claims'] if claim['holds'] is holds]
    print(f'{verdict} ({len(names)})', *names, sep='\n  ')


# %%
class Markdown(str):
  """Text that a notebook shows as a page."""

  def _repr_markdown_(self) -> str:
    return str(self)


Markdown('| claim' + cards.as_markdown(card).split('\n| claim', 1)[1] if card else 'no card')
