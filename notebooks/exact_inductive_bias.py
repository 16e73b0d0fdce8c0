# %% [markdown]
# # How many bits does a test error take?
#
# Of all functions that fit the training set, how many have a test error below a target? Minus the
# logarithm of that share is the **inductive bias** that the target takes beyond what the space of
# functions brings (Boopathy et al. 2024). Of Gaussian functions (**kernels**) the law of the error is
# known: a sum of noncentral chi-squares, whose tail a saddlepoint gives to a tenth of a bit a thousand
# bits down. Of **networks** it must be sampled: hundreds are trained to fit, and where none of them
# reaches the target, everything depends on how the tail is continued.
#
# This notebook reads what `python -m research.replicate exact_inductive_bias` has trained and
# calculated and does neither: `GENLAB_RUNS` is the study's folder. Verdicts are read from its card. As
# a plain script it prints, and leaves its figures in `$GENLAB_RUNS/figures`.

# %%
from _finished import Finished

from research.studies import exact_inductive_bias as study

finished = Finished(study, 'runs/exact_inductive_bias/cpu')
print(study.summary(finished.tables).to_string())

# %% [markdown]
# ## Kernels, exactly; and what a fitted chi-square makes of the same tails
#
# Left: more examples leave fewer bits. How large functions are before they see data, their amplitude,
# matters as much. Right: the paper fits one noncentral chi-square to a sample of errors; a sum of
# unequal ones has another tail.

# %%
finished.show('kernels')

# %%
finished.verdicts('kernels')

# %%
finished.verdicts('fits')
finished.reading()

# %% [markdown]
# ## Networks
#
# Where lines are dotted no ten networks reach the target. Right: networks that are equally good to a
# point of accuracy disagree on many images.

# %%
finished.show('networks')

# %%
finished.verdicts('networks')

# %% [markdown]
# ## Bits along training, and beside coherence

# %%
finished.verdicts('training')

# %%
finished.show('joining')

# %%
finished.verdicts('joining')

# %% [markdown]
# ## What replicated, and what did not

# %%
finished.names_by_verdict()

# %%
finished.all_claims()
