# %% [markdown]
# # Why do networks that can memorize not just memorize?
#
# The same network, with the same optimizer, learns digits from real labels and memorizes random
# ones. Chatterjee's answer (2020) looks at the gradients $g_1, \dots, g_m$ of single examples. Where
# they agree, one step helps many examples at once, and is likely to help examples not seen. Their
# **coherence** is the square of the length of the mean gradient, over the mean of the squares:
#
# $$\alpha = \frac{\|\frac1m \sum_i g_i\|^2}{\frac1m \sum_i \|g_i\|^2} \in [0, 1].$$
#
# If all gradients are the same, $\alpha = 1$; if they are orthogonal and equally long,
# $\alpha = 1/m$. So **m-coherence**, $m\alpha$, counts the examples, itself included, that a step on
# one example helps: 1 when each is on its own. It depends on the sample, so compare it at one $m$.
#
# This notebook reads finished runs, one for each fraction of random labels, and trains nothing:
# `GENLAB_RUNS` is their folder, by default that of `make quickstart`. As a plain script it prints,
# and leaves its figures in `$GENLAB_RUNS/figures`.

# %%
import sys

from _finished import folder, saved

from research.figures import coherence, layers
from research.studies import card
from research.studies import real_and_random_labels as study
from research.tables import load_runs

RUNS = folder('runs/quickstart')

try:
  runs = load_runs(RUNS)
except FileNotFoundError as error:
  sys.exit(f'{error}\nrun `make quickstart` first, or set GENLAB_RUNS to a folder of finished runs')

print(*sorted(runs['run'].unique()), sep='\n')

# %% [markdown]
# ## Coherence and accuracy
#
# Lines are means over networks that differ only in their seed; bands are 95 % confidence intervals.
# Read the three panels at the same step:
#
# 1. **Early**, gradients of real examples agree far more than those of random ones, and while they
#    do, training and test accuracy rise together. At step 0 itself the difference is small: whatever
#    their labels, all examples share the way from the arbitrary predictions of a new network to the
#    frequencies of the classes.
# 2. **Half random labels**: the test accuracy first rises as if all were real, then falls while the
#    random half is memorized. That is the case for early stopping.
# 3. **Late**, the order turns round. Random labels have a hump of coherence while they are memorized,
#    when real ones are long fitted. That real labels are more coherent *at every step* is false.
# 4. **At the end** every example is fitted, and coherence returns towards its limit: what gradient
#    is left comes from few examples.

# %%
saved(coherence.figure(runs), RUNS / 'figures/coherence')

# %% [markdown]
# ## Layer by layer
#
# The same ratio for the parameters of one layer. Is it one layer that agrees, or all?

# %%
saved(layers.figure(runs), RUNS / 'figures/coherence_layers')

# %% [markdown]
# ## How much more coherent are real labels, and when?
#
# The mean of m-coherence over the first three epochs, the highest value later, and the last, with
# standard errors over networks; then the claims of the papers, judged on these runs. Networks of
# equal seed differ in their labels alone, so the claims compare them in pairs.

# %%
print(study.summary({'labels': runs}).to_string(), end='\n\n')
for claim in study.CLAIMS:
  verdict = claim.judge(runs)
  print(f'{card.VERDICTS[verdict.holds]}: {verdict.ours:.3g} ± {verdict.stderr:.2g}. {claim.text}')
