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
from _finished import Finished

from research.studies import gradient_starvation as study

finished = Finished(study, 'runs/gradient_starvation/cpu')
print(study.summary(finished.tables).to_string())

# %% [markdown]
# ## Two examples, and two moons
#
# At the left is all of the theory in an example of two examples and two features. In the middle and at
# the right a network learns the moons: where a line separates them, where none does, and with the
# penalty on outputs. What starves is the weak feature in the second case.

# %%
finished.show('starvation')

# %%
finished.verdicts('toy')
finished.verdicts('features')

# %% [markdown]
# The figure's basis is that of the kernel at each moment. By the kernel at initialization, which is
# what the paper shows, this is what was learned at the end:

# %%
if 'responses' in finished.tables:
  means = finished.tables['responses'].groupby('run').mean().filter(like='response/')
  print(means.round(3).to_string())

# %% [markdown]
# ## What bends the boundary
#
# A line tells these moons apart, if closely; a curve would keep further away from all examples. Of all
# remedies, the paper finds that only spectral decoupling gives the curve. Thin lines are single
# networks, the thick one is the mean of their outputs.

# %%
finished.show('boundaries')

# %%
if 'boundaries' in finished.tables:
  table = finished.tables['boundaries'].groupby('run')
  shown = ['nonlinear_area', 'smallest_margin', 'mean_margin', 'boundary/angle']
  print(table[shown].mean().round(3).to_string())

# %%
finished.verdicts('interventions')

# %% [markdown]
# ## Colour and shape
#
# In Colored MNIST the colour tells the label better than the shape does, but for the test set, where it
# misleads. The authors' schedule divides loss and penalty by 50,000 at step 450: of no concern to
# where training ends, nor to Adam, if Adam had no memory. Two arms take the memory, or the division,
# away.

# %%
finished.show('colored_mnist')

# %%
finished.verdicts('colored_mnist')
finished.reading()

# %% [markdown]
# The same networks on test images without colour (gray), without shape (blank), or without both: what
# are they right on, and how sure are they? The entropy of a fair coin is 0.693 nats.

# %%
finished.show('blanks')

# %%
finished.verdicts('blanks')

# %% [markdown]
# ## What replicated, and what did not

# %%
finished.names_by_verdict()

# %%
finished.all_claims()
