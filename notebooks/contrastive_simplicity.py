# %% [markdown]
# # Which features does contrastive learning keep?
#
# A contrastive loss pulls two views of an image together and pushes others away. It knows no labels, so
# simplicity bias takes another form: **class collapse**, where the embedding forgets subclasses that
# the labels do not ask for, and **feature suppression**, where easy features leave no room for others
# (Xue et al. 2023). For linear maps and the spectral loss both can be computed: minimizers are known in
# closed form. For InfoNCE, the **temperature** trades how evenly embeddings spread on the sphere
# against how close together alike images stay (Wang & Liu 2021), and a few random bits that both views
# share are the easiest feature of all (Chen, Luo & Li 2021).
#
# This notebook reads what `python -m research.replicate contrastive_simplicity` has calculated and
# calculates nothing: `GENLAB_RUNS` is the study's folder. Verdicts are read from its card. As a plain
# script it prints, and leaves its figure in `$GENLAB_RUNS/figures`.

# %%
from _finished import Finished

from research.studies import contrastive_simplicity as study

finished = Finished(study, 'runs/contrastive_simplicity/cpu')
print(study.summary(finished.tables).to_string())

# %% [markdown]
# ## All of it in one figure
#
# Above: how far apart subclasses are while gradient descent minimizes the supervised loss; and how the
# class fares where other features compete for the embedding's dimensions. Below: what the temperature
# trades; how good a linear probe is at each; and what shared bits take from it.

# %%
finished.show('contrastive')

# %% [markdown]
# ## Linear maps: collapse and suppression
#
# d' says how far apart two subclasses are, in standard deviations of the noise; at 1, a threshold
# between them errs on 31 %. Of many minimizers of the supervised loss, that of least norm is where
# gradient descent from near zero ends.

# %%
if 'class_collapse' in finished.tables:
  means = finished.tables['class_collapse'].groupby(['arm', 'solver'])
  print(means[['class_d', 'subclass_d', 'sq_norm']].mean().round(3).to_string())

# %%
finished.verdicts('linear')
finished.reading()

# %% [markdown]
# ## Digits: temperature and random bits

# %%
if 'temperature' in finished.tables:
  means = finished.tables['temperature'].groupby('temperature')
  print(means[['probe_accuracy', 'uniformity', 'tolerance']].mean().round(3).to_string())

# %%
finished.verdicts('digits')

# %% [markdown]
# ## What replicated, and what did not

# %%
finished.names_by_verdict()

# %%
finished.all_claims()
