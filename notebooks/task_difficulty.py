# %% [markdown]
# # How difficult is a task?
#
# Boopathy et al. (2023) bound the inductive bias that a task takes by a closed form in its intrinsic
# dimension, the distance between its classes, its radius, its outputs, the number of examples and the
# error to be reached. The numbers are astronomical, 10^16 bits for MNIST and 10^41 for ImageNet, and so
# is what an error in the dimension does to them. Can the dimension be measured?
#
# This notebook reads what `python -m research.replicate task_difficulty` has calculated and calculates
# nothing: `GENLAB_RUNS` is the study's folder. Verdicts are read from its card. As a plain script it
# prints, and leaves its figure in `$GENLAB_RUNS/figures`.

# %%
from _finished import Finished

from research.studies import task_difficulty as study

finished = Finished(study, 'runs/task_difficulty/cpu')
print(study.summary(finished.tables).to_string())

# %%
finished.show('difficulty')

# %% [markdown]
# ## The paper's numbers

# %%
if 'published' in finished.tables:
  print(finished.tables['published'].to_string(index=False))

# %%
finished.verdicts('published')

# %%
finished.verdicts('sweeps')

# %% [markdown]
# ## Measured: images, and manifolds whose dimension is known

# %%
if 'measured' in finished.tables:
  print(finished.tables['measured'].groupby('dataset').mean(numeric_only=True).T.to_string())

# %%
finished.verdicts('measured')

# %%
finished.verdicts('manifolds')
finished.reading()

# %% [markdown]
# ## What replicated, and what did not

# %%
finished.names_by_verdict()

# %%
finished.all_claims()
