# %% [markdown]
# # The contest of theories
#
# Which quantity of a network and its training sample predicts how it generalizes? Norms,
# margins, flatness, coherence of gradients, evidence under wide networks, simplicity and speed are put
# to the same test: networks that differ in ten hyperparameters, each trained to the same training loss.
# A referee asks how well each ranks them, how well it ranks pairs that differ in one hyperparameter
# alone, and where it is wrong most.
#
# This notebook reads what `python -m research.replicate contest` has left and trains nothing:
# `GENLAB_RUNS` is the study's folder. Verdicts are read from its card. As a plain script it prints, and
# leaves its figures in `$GENLAB_RUNS/figures`.

# %%
from _finished import Finished

from research.studies import contest as study

finished = Finished(study, 'runs/contest/cpu')
print(study.summary(finished.tables).to_string())

# %% [markdown]
# ## Who ranks networks best?
#
# The oracle misses the gap by two points; the gap measured again is what no measure is expected to
# beat.

# %%
finished.show('leaderboard')
finished.verdicts('claims')

# %% [markdown]
# ## Where is each of them wrong?

# %%
finished.show('environments')

# %% [markdown]
# ## Which of them are one measure by other names?

# %%
finished.show('correlations')

# %% [markdown]
# ## The measures and the gap, network by network

# %%
finished.show('scatter')
finished.reading()

# %% [markdown]
# ## What holds, and what does not

# %%
finished.names_by_verdict()

# %%
finished.all_claims()
