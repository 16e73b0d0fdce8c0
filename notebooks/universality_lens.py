# %% [markdown]
# # What does a hypothesis weigh?
#
# A Bayes mixture over all networks that an initialization draws predicts nearly as well as the best of
# them: what it loses is at most minus the logarithm of the weight of the hypotheses that predict like
# it (Feder 2025). The weight, not the size of the class, says how many examples are needed. On six bits
# all of it can be computed: functions are truth tables of 64 entries, and 300,000 networks are a sample
# of the prior.
#
# This notebook reads what `python -m research.replicate universality_lens` has calculated and
# calculates nothing: `GENLAB_RUNS` is the study's folder. Verdicts are read from its card. As a plain
# script it prints, and leaves its figure in `$GENLAB_RUNS/figures`.

# %%
from _finished import Finished

from research.studies import universality_lens as study

finished = Finished(study, 'runs/universality_lens/cpu')
print(study.summary(finished.tables).to_string())

# %%
finished.show('universality_lens')

# %% [markdown]
# ## Regret and its bound

# %%
finished.verdicts('regret')

# %% [markdown]
# ## Which functions are heavy?

# %%
finished.verdicts('complexity')

# %% [markdown]
# ## Averages of trained networks beside the exact mixture

# %%
finished.verdicts('predictives')
finished.reading()

# %% [markdown]
# ## Digits, where nothing is exact, and the weight of their labels

# %%
finished.verdicts('images')

# %%
finished.verdicts('labels')

# %% [markdown]
# ## What replicated, and what did not

# %%
finished.names_by_verdict()

# %%
finished.all_claims()
